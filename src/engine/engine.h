/* Engines: the one table that every eigensolver fills, and the steps around it that are the same
 * for all (engine/problem.c): checks before, certificate and multiplets after.
 *
 * A batch belongs to a team of ranks, which hold each matrix as a slab of whole rows, row-major as
 * in the file; a team of one holds all rows. No call needs MPI when the team has one rank. */
#ifndef MPT_ENGINE_H
#define MPT_ENGINE_H

#include <mpi.h>
#include <multiplet/eigh.h>
#include "spectral.h"

/* Ranks that work on one matrix; rank r stands at (r / grid[1], r % grid[1]) of the process grid.
 * Rank r holds the rows from mpt_slab_start(n, size, r) up to the next rank's. */
typedef struct mpt_team {
  MPI_Comm comm;
  int rank, size;
  int grid[2]; /* grid[0] * grid[1] == size */
} mpt_team;

mpt_team mpt_team_of_one(void);
int64_t mpt_slab_start(int64_t n, int size, int rank);

/* `count` problems of one shape. Arrays are the caller's; optional ones may be NULL. Those of a
 * failed problem are zeroed, so that nothing half-done is ever seen. */
typedef struct mpt_batch {
  mpt_type type;
  int64_t count, n, row0, rows;
  bool given;          /* w and v are given (two-pass) and only read: nothing is solved */
  bool bare;           /* lanes only: w and v and no report, as a loop of ?heevd gives them; for
                          the benchmark, which says what the checks cost */
  void *a;             /* [count, rows, n]; see writes_input. NULL when given: no certificate */
  void *w;             /* [count, n] real */
  void *v;             /* [count, rows, n], NULL: eigenvalues only */
  const void *gw, *gv; /* [count, n] real and [count, rows, n]; NULL: zero */
  void *g;             /* [count, rows, n], NULL: no gradient */
  int32_t *multiplet;  /* [count, n] */
  mpt_report *report;  /* [count] */
} mpt_batch;

/* What an engine needs to know when it is opened. */
typedef struct mpt_shape {
  mpt_type type;
  int64_t n;
  int64_t block; /* 0: the engine chooses */
  bool vectors, backward;
} mpt_shape;

typedef struct mpt_state mpt_state; /* an engine's workspace for one shape and team */

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
   * rank; a problem left PENDING becomes INTERNAL. solve() and differentiate() are not called then.
   */
  mpt_code (*process)(mpt_state *state, const mpt_options *options, mpt_batch *batch);

  /* a -> w, v for each problem that has not failed; the status of one that does not converge is
   * set. Every rank of the team gets all of w. Collective over the team. */
  void (*solve)(mpt_state *state, mpt_batch *batch);

  /* Problem k: g = conj(V) X^T V^T read row-major, that is V X V^H, from w, v, gv and the rule.
   * The sums are this rank's. Collective over the team. `solved`: v is what solve() just left. */
  void (*differentiate)(mpt_state *state, mpt_batch *batch, int64_t k, const mpt_rule *rule,
                        bool solved, mpt_sums *sums);
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

/* The status that a gradient's diagnostics in the report call for; `finite`: all of it is. */
void mpt_settle_gradient(const mpt_options *options, mpt_type type, bool finite,
                         mpt_report *report);

/* Zeroes w and v of problem k: of one that failed, unless they are given. */
void mpt_zero_pairs(mpt_batch *batch, int64_t k);

#endif
