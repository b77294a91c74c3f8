/* Engines: the one table that every eigensolver fills, and the steps around it that are the same
 * for all (engine/process.c): checks before, certificate and multiplets after.
 */
#ifndef MPT_ENGINE_H
#define MPT_ENGINE_H

#include "base/engine_id.h"
#include "engine/batch.h"
#include "engine/team.h"

/* Whether a product is with V on both sides. */
typedef enum mpt_side { MPT_BOTH, MPT_LEFT } mpt_side;

typedef struct mpt_state mpt_state; /* an engine's workspace for one shape and team */

/* Some of a matrix's eigenpairs without the others, by A = Q T Q^H with a real tridiagonal T, which
 * stays in the state from one reduction to the next. `Panels` are n x columns, in the engine's own
 * distribution: U, the conjugates of eigenvectors, and B. INFO is LAPACK's, 0 for success, the same
 * on all ranks. All are collective over the team.
 *
 * widen(): room for `columns`; agreed.
 * reduce(): d[n] and e[n - 1] of T of the matrix of problem k, on every rank, times `scale`.
 * keep_factor(), take_factor(): a problem's part of mpt_factor_arrays, after reduce(), or in its
 * place.
 * diagonalize(): all eigenvalues of T, w[n]; its eigenvectors stay until the next reduction.
 * take(): the columns of U from eigenvector `first` of T on, with phases fixed.
 * load(), store(): a panel from and to conjugates in a slab [rows, columns], row-major.
 * overlap(): T = B^H U and its conjugate transpose, columns x columns, seen as tiles.
 * project(): B -= U (U^H B).
 * turn(): B = Q^H B, or B = Q B.
 * whole_columns(): columns first.. of B, all n rows of each, that this rank is to work on;
 *   whole_columns_back() when it has.
 * combine(): B = U X / 2 + B / 2 with X what stands in T, or with a diagonal B = U diag(d) / 2.
 * assemble(): the slab of G^T = U B^H + B U^H. Ends what reduce() began. */
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
  const char *name; /* as base/engine_id.h has it */
  mpt_engine_id id;
  bool takes_team;   /* more than one rank at a matrix */
  bool writes_input; /* batch.a: the triangle that is not read gets filled in */

  /* Whether it is faster than the others on one rank; NULL: never, or not to be told by the shape.
   */
  bool (*suits)(const mpt_shape *shape);

  /* How fast it is against matrix products, the n at which it is half as fast, and the seconds that
   * a problem costs besides: what plans go by. */
  struct mpt_engine_cost {
    double gain, half, overhead;
  } cost;

  /* Problems side by side that leave no part of it idle; 0: it takes one after the other. */
  int64_t side_by_side;

  /* The instruction set of its own kernels; NULL: those of the BLAS. Static storage. */
  const char *(*kernels)(void);

  /* Bytes of workspace that open() takes on a rank, and what it refuses. */
  mpt_code (*workspace)(const mpt_shape *shape, const int grid[2], int64_t *bytes,
                        mpt_error *error);

  /* Collective over the team, and agreed. */
  mpt_code (*open)(const mpt_shape *shape, const mpt_team *team, mpt_state **state,
                   mpt_error *error);
  void (*close)(mpt_state *state);

  /* Optional: mpt_process_batch in one go, for an engine that takes many problems at a time on one
   * rank; a problem left PENDING becomes INTERNAL. solve() is not called then.
   */
  mpt_code (*process)(mpt_state *state, const mpt_options *options, mpt_batch *batch);

  /* a -> w, v for each problem that has not failed; the status of one that does not converge is
   * set. Every rank of the team gets all of w. Collective over the team. */
  void (*solve)(mpt_state *state, mpt_batch *batch);

  /* Products with the eigenvectors of problem k, of which outputs.c makes gradients, functions and
   * derivatives. Between them stand n x n matrices in the engine's own
   * distribution, seen as tiles (spectral.h): T, its conjugate transpose, and with shape.outputs
   * the sum of several terms. Slabs are [rows, n], row-major. All are collective over the team.
   *
   * begin(): V at hand; `solved`: it is what solve() just left.
   * into_basis(): T = (V^H M V)^T, or (V^H M)^T with MPT_LEFT, from the slab of M.
   * out_of_basis(): from X^T in T or in the sum the slab of V X V^H, X being Hermitian, or of V X
   *   with MPT_LEFT. From the sum, T survives it; its conjugate transpose does not.
   * from_diagonal(): V diag(d) V^H. */
  void (*begin)(mpt_state *state, const mpt_batch *batch, int64_t k, bool solved);
  void (*into_basis)(mpt_state *state, const void *slab, mpt_side side);
  bool (*next_tile)(const mpt_state *state, int64_t *next, mpt_tile *tile);
  void (*out_of_basis)(mpt_state *state, bool sum, mpt_side side, void *slab);
  void (*from_diagonal)(mpt_state *state, const double *diagonal, void *slab);

  const mpt_reduced *reduced; /* NULL: selections are taken out of whole spectra */
} mpt_engine;

extern const mpt_engine mpt_lapack, mpt_scalapack, mpt_lanes;

/* Who solves problems of this shape on one rank when nobody says; who solves one matrix on several;
 * and who has this number, NULL for nobody. */
const mpt_engine *mpt_engine_for(const mpt_shape *shape);
const mpt_engine *mpt_engine_for_team(void);
const mpt_engine *mpt_engine_with(mpt_engine_id id);

/* The kernel set of the BLAS where it tells, and the instruction sets of engines that have kernels
 * of their own: "SkylakeX, lanes avx512". Where they differ, so do last bits. Static storage. */
const char *mpt_kernels(void);

/* "OpenBLAS 0.3.21 ...; kernels: SkylakeX, lanes avx512". Static storage. */
const char *mpt_blas_description(void);

#endif
