/* Products with eigenvectors, each checked against its factors by one vector x of random signs: G x
 * is compared with V (X (V^H x)). An element of G that is off by d changes G x by d, whatever x is.
 * So O(n^2) operations check every one of n^2 elements.
 *
 * Differences are in units of n eps ||G||_F. They are not divided by ||x||, so that their bound
 * holds for each element alone. Sound products of all kinds come to less than 2 for n <= 3 and to
 * less than 1 beyond, falling as 1/n. */
#ifndef MPT_PROBE_H
#define MPT_PROBE_H

#include "engine/engine.h"
#include "spectral/frame.h"

enum { MPT_PROBE_BOUND = 20 };

struct mpt_output_context;

/* Memory for one context's probes, and what they found for the current problem. */
typedef struct mpt_probe {
  double *x, *y, *z;  /* [n][2] each, complex: the signs and their products */
  double *mine, *out; /* [rows][2] each */
  void *spread;       /* real numbers of the type, [2][n parts] */
  double scale;       /* of x, a power of two */
  double worst;       /* the largest difference */
} mpt_probe;

/* MPT_NO_RESOURCE if memory runs out. */
mpt_code mpt_probe_open(const mpt_batch *batch, mpt_probe *probe);
void mpt_probe_close(mpt_probe *probe);

/* Whether all products of the current problem were correct. */
bool mpt_probe_passed(const mpt_probe *probe);

/* The engine's into_basis(), out_of_basis() and from_diagonal() for problem k, each followed by a
 * probe of the result. Collective. */
void mpt_into_basis(struct mpt_output_context *context, int64_t k, const void *slab, mpt_side side);
void mpt_out_of_basis(struct mpt_output_context *context, int64_t k, bool sum, mpt_side side,
                      void *slab);
void mpt_from_diagonal(struct mpt_output_context *context, int64_t k, const double *diagonal,
                       void *slab);

/* mpt_rows_out_of_basis() for the frame of problem k, followed by a probe: `slab` = V_c c.
 * Collective. */
void mpt_frame_out_of_basis(struct mpt_output_context *context, int64_t k, const mpt_wide *c,
                            void *slab);

/* Probes a selection's vectors and the part of their gradient outside of the selection: compares (A
 * - w_j) z_j with -(I - V V^H) gv_j in a combination of all columns. The unit is n eps (||A|| ||Z||
 * + ||gv||) plus what `damping`, a share of gv, has taken away. `a`: [rows, n]; the others [rows,
 * columns]. Sound results of all kinds stay below 3. Collective. */
typedef struct mpt_chain {
  int64_t columns;
  const void *a, *v, *gv, *z;
  const double *w; /* [columns] */
  double norm, damping;
} mpt_chain;
void mpt_probe_chain(mpt_probe *probe, const mpt_team *team, const mpt_batch *batch,
                     const mpt_chain *chain);

/* The same for G = V Z^H + Z V^H, with slabs of V and Z [rows, columns]. Collective. */
void mpt_probe_outer(mpt_probe *probe, const mpt_team *team, const mpt_batch *batch,
                     int64_t columns, const void *v, const void *z, const void *g);

#endif
