/* Runs batches through mpt_process_batch from whole matrices that every rank has, gathers the
 * results, and checks them in plain loops. All functions are collective over MPI_COMM_WORLD. */
#ifndef TEST_HARNESS_H
#define TEST_HARNESS_H

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "engine/engine.h"
#include "matrices.h"

#define COUNT(array) ((int64_t)(sizeof(array) / sizeof *(array)))

/* Counts and prints a failure on one rank; agree_on_failures() then fails on every rank. */
void fail_here(const char *file, int line, const char *format, ...) MPT_PRINTF(3, 4);
#define CHECK(condition, ...)                                                                      \
  do {                                                                                             \
    if (!(condition)) fail_here(__FILE__, __LINE__, __VA_ARGS__);                                  \
  } while (0)
int agree_on_failures(void **state); /* also a cmocka teardown */

/* MPI_Init, cmocka, MPI_Finalize; cmocka's output is printed by rank 0 only. */
int run_mpi_tests(int *argc, char ***argv, int (*tests)(void));

/* An engine with a team. Consecutive runs of one shape share one state. */
typedef struct bench {
  const mpt_engine *engine;
  const char *isa; /* for lanes */
  mpt_team team;
  mpt_shape shape;
  mpt_state *state;
  int64_t block; /* for shapes that are opened later */
} bench;

/* Opens number `index` of the benches for this many ranks; false after the last. For one rank these
 * are lapack, and lanes on each instruction set. Then come scalapack on the planner's grid and its
 * transpose, and for four ranks also in one row and in one column. */
bool bench_open(int index, bench *b);
void bench_close(bench *b);
const char *bench_name(const bench *b); /* "scalapack 2x3", "lanes avx2" */

/* Whole arrays, the same on every rank. Those that are NULL are not used. */
typedef struct run {
  mpt_type type;
  int64_t count, n;
  mpt_options options;
  bool values_only, backward, given;
  wide *a;            /* [count, n, n]; after the run, the batch's matrix */
  const wide *gv;     /* [count, n, n] */
  const double *gw;   /* [count, n] */
  wide *v, *g;        /* [count, n, n] out (v: in when given); allocated when NULL */
  double *w;          /* [count, n], likewise */
  int32_t *multiplet; /* [count, n] out */
  mpt_report *report; /* [count] out */
} run;

/* Runs with reports that are PENDING at first. Checks that all ranks have the same w, multiplets
 * and statuses. */
void run_batch(bench *b, run *r);
void run_free(run *r);

/* Checks residual, orthogonality, order, phases, and the eigenvalues against the matrix's. */
void check_solution(const bench *b, const run *r, int64_t k, const matrix *m, const char *what);

/* Checks that all outputs of problem k are zero. */
void check_zero(const bench *b, const run *r, int64_t k, const char *what);

/* The largest |a_i - b_i| / the largest |b_i|. */
long double difference(int64_t count, const wide *a, const wide *b);

#endif
