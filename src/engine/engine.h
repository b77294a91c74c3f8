/* Engines: the one table that every eigensolver fills, and the steps around it that are the same
 * for all (engine/problem.c): checks before, certificate and multiplets after.
 *
 * A batch belongs to a team of ranks, which hold each matrix as a slab of whole rows, row-major as
 * in the file; a team of one holds all rows. No call needs MPI when the team has one rank. */
#ifndef MPT_ENGINE_H
#define MPT_ENGINE_H

#include <mpi.h>
#include <multiplet/eigh.h>
#include <multiplet/function.h>
#include "spectral/spectral.h"

/* Ranks that work on one matrix; rank r stands at (r / grid[1], r % grid[1]) of the process grid.
 * Rank r holds the rows from mpt_slab_start(n, size, r) up to the next rank's. */
typedef struct mpt_team {
  MPI_Comm comm;
  int rank, size;
  int grid[2]; /* grid[0] * grid[1] == size */
} mpt_team;

mpt_team mpt_team_of_one(void);
int64_t mpt_slab_start(int64_t n, int size, int rank);

/* One matrix function of a batch; each array is [count, rows, n], NULL: not wanted, or zero. */
typedef struct mpt_function_arrays {
  mpt_function function;
  void *value;
  const void *cotangent;
  void *tangent; /* derivative along batch.da */
  double *mu;    /* [count] of a fermi function at fixed electron number, or NULL */
} mpt_function_arrays;

/* The frame of a batch: R (R^H P R)^(-1/2) of the projector P on an index range. */
typedef struct mpt_frame_arrays {
  int64_t index[2], columns; /* columns of R; 0: no frame */
  const void *reference;     /* R: [rows, columns], or with `each` [count, rows, columns] */
  bool each;
  void *value, *gradient_reference; /* [count, rows, columns] or NULL */
  const void *cotangent;            /* likewise */
} mpt_frame_arrays;

/* A = Q T Q^H of a batch, or rather conj(A) = Q T Q^H, for the matrices are row-major: what
 * LAPACK's ?hetrd('L') leaves. A pass through a selection keeps it, or takes it as given;
 * reflectors NULL: neither. One that solves the whole spectrum, as lanes do, keeps or takes all
 * eigenvectors in the reflectors' place, and has no need of T. */
typedef struct mpt_factor_arrays {
  void *reflectors;             /* [count, rows, n] */
  void *tau;                    /* [count, n] */
  void *diagonal, *offdiagonal; /* of T, [count, n] real; the last of the second is 0 */
  void *eigenvalues;            /* of T, [count, n] real, ascending */
  bool given;
} mpt_factor_arrays;

/* `count` problems of one shape. Arrays are the caller's; optional ones may be NULL. Those of a
 * failed problem are zeroed, so that nothing half-done is ever seen.
 *
 * m in the shapes is the number of columns that `select` gives, mpt_batch_columns(). Under a range,
 * where `found` of them are there, the rest is zero. */
typedef struct mpt_batch {
  mpt_type type;
  int64_t count, n, row0, rows;
  bool given; /* w and v are given (two-pass) and only read: nothing is solved */
  bool bare;  /* lanes only: w and v and no report, as a loop of ?heevd gives them; for
                 the benchmark, which says what the checks cost */
  mpt_select select;
  void *a;             /* [count, rows, n]; see writes_input. NULL when given: no certificate */
  void *w;             /* [count, m] real */
  void *v;             /* [count, rows, m], NULL: eigenvalues only */
  const void *gw, *gv; /* [count, m] real and [count, rows, m]; NULL: zero */
  void *g;             /* [count, rows, n], NULL: no gradient */
  int32_t *multiplet;  /* [count, m] */
  int32_t *found;      /* [count], NULL unless select is a range */
  mpt_report *report;  /* [count] */
  mpt_function_arrays *functions;
  int function_count;
  mpt_frame_arrays frame;
  mpt_factor_arrays factor;
  void *da;      /* [count, rows, n]: a Hermitian direction, NULL: none; see writes_input */
  void *dw, *dv; /* derivatives along it, [count, m] real and [count, rows, m], or NULL */
} mpt_batch;

int64_t mpt_batch_columns(const mpt_batch *batch);

/* What an engine needs to know when it is opened. */
typedef struct mpt_shape {
  mpt_type type;
  int64_t n;
  int64_t block; /* 0: the engine chooses */
  bool vectors, backward;
  bool outputs;    /* functions, frames or tangents */
  int64_t columns; /* of a selection whose other pairs nobody asks for; else 0 */
} mpt_shape;

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
  const char *name;
  int id;            /* the number in diagnostics/solver */
  bool takes_team;   /* more than one rank at a matrix */
  bool writes_input; /* batch.a: the triangle that is not read gets filled in */

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

  const mpt_reduced *partial; /* NULL: selections are taken out of whole spectra */
} mpt_engine;

enum { MPT_ENGINE_NONE = 0, MPT_ENGINE_LAPACK = 1, MPT_ENGINE_SCALAPACK = 2, MPT_ENGINE_LANES = 3 };

extern const mpt_engine mpt_lapack, mpt_scalapack, mpt_lanes;

/* All engines, NULL-terminated; mpt_engine_by_name gives NULL when there is none. */
extern const mpt_engine *const mpt_engines[];
const mpt_engine *mpt_engine_by_name(const char *name);

/* Who solves problems of this shape on one rank when nobody says. */
const mpt_engine *mpt_engine_for(const mpt_shape *shape);

/* Solves (or takes as given) and differentiates a batch, with all checks. Collective over the team;
 * never fails as a call: what goes wrong is in each problem's report. */
void mpt_process_batch(const mpt_engine *engine, mpt_state *state, const mpt_team *team,
                       const mpt_options *options, mpt_batch *batch);

/* Whether the batch's selected pairs are made without the others. */
bool mpt_is_reduced(const mpt_engine *engine, const mpt_batch *batch);

/* How far apart neighbours in a multiplet may be, relative to ||A||. */
double mpt_tolerance(const mpt_options *options, const mpt_batch *batch);

/* What a gradient's report says of it, and the status under the policies. */
void mpt_settle_gradient(const mpt_options *options, const mpt_finding *found, mpt_report *report);

/* Zeroes w and v of problem k: of one that failed, unless they are given. */
void mpt_zero_pairs(mpt_batch *batch, int64_t k);

#endif
