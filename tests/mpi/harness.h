/* Runs batches through mpt_process_batch from whole matrices that every rank has, gathers what
 * comes back, and checks it in plain loops. All functions are collective over MPI_COMM_WORLD. */
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

/* A failure on one rank is counted and said; agree_on_failures() then fails on every rank. */
void fail_here(const char *file, int line, const char *format, ...) MPT_PRINTF(3, 4);
#define CHECK(condition, ...)                                                                      \
  do {                                                                                             \
    if (!(condition)) fail_here(__FILE__, __LINE__, __VA_ARGS__);                                  \
  } while (0)
int agree_on_failures(void **state); /* a cmocka teardown as well */

/* MPI_Init, cmocka, MPI_Finalize; only rank 0 prints what cmocka has to say. */
int run_mpi_tests(int *argc, char ***argv, int (*tests)(void));

/* An engine with a team. Runs of one shape share one state until another shape comes. */
typedef struct bench {
  const mpt_engine *engine;
  const char *isa; /* of lanes */
  mpt_team team;
  mpt_shape shape;
  mpt_state *state;
  int64_t block; /* for shapes to come */
} bench;

/* Number `index` of the benches for this many ranks: when there is one, lapack and lanes on each
 * instruction set; then scalapack on
 * the planner's grid and its transpose, with four also in one row and in one column; false after
 * the last. */
bool bench_open(int index, bench *b);
void bench_close(bench *b);
const char *bench_name(const bench *b); /* "scalapack 2x3", "lanes avx2" */

/* Whole arrays, the same on every rank; those left NULL are not used. */
typedef struct run {
  mpt_type type;
  int64_t count, n;
  mpt_options options;
  bool values_only, backward, given;
  wide *a;            /* [count, n, n]; afterwards what the batch's matrix holds */
  const wide *gv;     /* [count, n, n] */
  const double *gw;   /* [count, n] */
  wide *v, *g;        /* [count, n, n] out (v: in when given); allocated when NULL */
  double *w;          /* [count, n] likewise */
  int32_t *multiplet; /* [count, n] out */
  mpt_report *report; /* [count] out */
} run;

/* Reports enter as PENDING. Checks that all ranks have the same w, multiplets and statuses. */
void run_batch(bench *b, run *r);
void run_free(run *r);

/* Residual, orthogonality, order, phases, and eigenvalues against the matrix's. */
void check_solution(const bench *b, const run *r, int64_t k, const matrix *m, const char *what);

/* All of problem k's outputs are zero. */
void check_zero(const bench *b, const run *r, int64_t k, const char *what);

/* The largest |a_i - b_i| / the largest |b_i|. */
long double difference(int64_t count, const wide *a, const wide *b);

#endif
