/* Engines: the one table that every eigensolver fills. The steps around the solver, checks before
 * it and certificates and multiplets after it, are the same for all engines (engine/process.c). */
#ifndef MPT_ENGINE_H
#define MPT_ENGINE_H

#include "base/engine_id.h"
#include "engine/batch.h"
#include "engine/team.h"

/* Whether V stands on both sides of a product, or only on the left. */
typedef enum mpt_side { MPT_BOTH, MPT_LEFT } mpt_side;

typedef struct mpt_state mpt_state; /* an engine's workspace for one shape and team */

/* How an engine computes some eigenpairs of a matrix without the others: A = Q T Q^H with a real
 * tridiagonal T. T stays in the state until the next reduction. Panels are n x columns, in the
 * engine's own distribution: U holds the conjugates of the eigenvectors, B is the second operand.
 * INFO is LAPACK's, 0 for success, and the same on all ranks. All calls are collective over the
 * team.
 *
 * widen(): makes room for `columns` columns; agreed.
 * reduce(): reduces `scale` times the matrix of problem k; every rank gets d[n] and e[n - 1] of T.
 * keep_factor(): copies a problem's part of mpt_factor_arrays out of the state, after reduce().
 * take_factor(): copies it into the state, in place of reduce().
 * diagonalize(): computes all eigenvalues of T, w[n]; its eigenvectors stay until the next
 *   reduction.
 * take(): fills U with eigenvectors from number `first` of T on, with phases fixed.
 * load(), store(): copy a panel from and to conjugates in a slab [rows, columns], row-major.
 * overlap(): T = B^H U and its conjugate transpose, columns x columns, seen as tiles. This T is not
 *   the tridiagonal one.
 * project(): B -= U (U^H B).
 * turn(): B = Q^H B, or with `back` B = Q B.
 * whole_columns(): returns the columns of B that this rank is to work on, `count` of them from
 *   `first` on, all n rows of each; whole_columns_back() puts them back.
 * combine(): B = U X / 2 + B / 2, where X is what T of overlap() holds by then; with a diagonal, B
 *   = U diag(d) / 2.
 * assemble(): writes the slab of G^T = U B^H + B U^H. This ends what reduce() began. */
typedef enum mpt_panel { MPT_PANEL_U, MPT_PANEL_B } mpt_panel;
typedef struct mpt_reduced {
  mpt_code (*widen)(mpt_state *state, int64_t columns, mpt_error *error);
  int (*reduce)(mpt_state *state, const mpt_batch *batch, int64_t k, double scale, double *d,
                double *e);
  void (*keep_factor)(mpt_state *state, void *reflectors, void *tau);
  void (*take_factor)(mpt_state *state, const void *reflectors, const void *tau);
  int (*diagonalize)(mpt_state *state, const double *d, const double *e, double *w);
  int (*take)(mpt_state *state, int64_t first);
  void (*load)(mpt_state *state, mpt_panel panel, const void *slab);
  void (*store)(mpt_state *state, mpt_panel panel, void *slab);
  void (*overlap)(mpt_state *state);
  bool (*next_tile)(const mpt_state *state, int64_t *next, mpt_tile *tile);
  void (*project)(mpt_state *state);
  void (*turn)(mpt_state *state, bool back);
  void *(*whole_columns)(mpt_state *state, int64_t *first, int64_t *count);
  void (*whole_columns_back)(mpt_state *state);
  void (*combine)(mpt_state *state, const double *diagonal);
  void (*assemble)(mpt_state *state, void *slab);
} mpt_reduced;

typedef struct mpt_engine {
  const char *name; /* as in base/engine_id.h */
  mpt_engine_id id;
  bool takes_team;   /* several ranks can work on one matrix */
  bool writes_input; /* it fills in the triangle of batch.a that is not read */

  /* Whether this engine is faster than the others on one rank. NULL: never, or the shape alone does
   * not tell. */
  bool (*suits)(const mpt_shape *shape);

  /* The cost model that plans use: the speed relative to matrix products, the n at which half of
   * that speed is reached, and the additional seconds per problem. */
  struct mpt_engine_cost {
    double gain, half, overhead;
  } cost;

  /* The number of problems solved side by side that keeps the engine busy; 0: it takes one after
   * the other. */
  int64_t side_by_side;

  /* The instruction set of its own kernels; NULL: those of the BLAS. Static storage. */
  const char *(*kernels)(void);

  /* The bytes of workspace that open() takes on a rank. Refuses what open() would refuse. */
  mpt_code (*workspace)(const mpt_shape *shape, const int grid[2], int64_t *bytes,
                        mpt_error *error);

  /* Collective over the team, and agreed. */
  mpt_code (*open)(const mpt_shape *shape, const mpt_team *team, mpt_state **state,
                   mpt_error *error);
  void (*close)(mpt_state *state);

  /* Optional: does all of mpt_process_batch at once, for an engine that takes many problems at a
   * time on one rank. solve() is then not called. A problem left PENDING becomes INTERNAL. */
  mpt_code (*process)(mpt_state *state, const mpt_options *options, mpt_batch *batch);

  /* Computes w and v from a for each problem that has not failed, and sets the status of a problem
   * that does not converge. Every rank of the team gets all of w. Collective over the team. */
  void (*solve)(mpt_state *state, mpt_batch *batch);

  /* Products with the eigenvectors of problem k, from which outputs.c makes gradients, functions
   * and derivatives. Between the products there are n x n matrices in the engine's own
   * distribution, seen as tiles (spectral.h): T, its conjugate transpose, and with shape.outputs
   * the sum of several terms. Slabs are [rows, n], row-major. All calls are collective over the
   * team.
   *
   * begin(): makes V available; `solved`: V is what solve() just left.
   * into_basis(): T = (V^H M V)^T, or (V^H M)^T with MPT_LEFT, from the slab of M.
   * out_of_basis(): from X^T in T or in the sum, the slab of V X V^H with a Hermitian X, or of V X
   *   with MPT_LEFT. If X^T is in the sum, T is kept, but its conjugate transpose is not.
   * from_diagonal(): V diag(d) V^H. */
  void (*begin)(mpt_state *state, const mpt_batch *batch, int64_t k, bool solved);
  void (*into_basis)(mpt_state *state, const void *slab, mpt_side side);
  bool (*next_tile)(const mpt_state *state, int64_t *next, mpt_tile *tile);
  void (*out_of_basis)(mpt_state *state, bool sum, mpt_side side, void *slab);
  void (*from_diagonal)(mpt_state *state, const double *diagonal, void *slab);

  const mpt_reduced *reduced; /* NULL: selections are taken out of whole spectra */
} mpt_engine;

extern const mpt_engine mpt_lapack, mpt_scalapack, mpt_lanes;

/* The engine for problems of this shape on one rank when the user names none; the engine for one
 * matrix on several ranks; and the engine with this number, or NULL. */
const mpt_engine *mpt_engine_for(const mpt_shape *shape);
const mpt_engine *mpt_engine_for_team(void);
const mpt_engine *mpt_engine_with(mpt_engine_id id);

/* The kernel set of the BLAS where the library tells it, and the instruction sets of engines that
 * have kernels of their own: "SkylakeX, lanes avx512". Results of different kernels may differ in
 * the last bits. Static storage. */
const char *mpt_kernels(void);

/* "OpenBLAS 0.3.21 ...; kernels: SkylakeX, lanes avx512". Static storage. */
const char *mpt_blas_description(void);

#endif
