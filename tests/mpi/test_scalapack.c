/* One test for each known defect of ScaLAPACK and BLACS, on every grid of this many ranks. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "harness.h"
#include "engine/scalapack/mpi_team.h"

/* Solves a matrix with known spectrum; run_batch checks that every rank gets the same w. */
static void solve(bench *b, const char *kind, mpt_type type, int64_t n, bool values_only) {
  matrix m = matrix_make(matrix_kind_named(kind), type, n);
  run r = {.type = type, .count = 1, .n = n, .values_only = values_only, .a = m.a};
  run_batch(b, &r);
  check_solution(b, &r, 0, &m, kind);
  run_free(&r);
  matrix_free(&m);
}

static void on_all(void (*test)(bench *b)) {
  bench b;
  for (int index = 0; bench_open(index, &b); index++) {
    test(&b);
    bench_close(&b);
  }
  assert_int_equal(agree_on_failures(NULL), 0);
}

/* p?stedc: with n <= nb on several ranks only the owner gets w. */
static void one_block(bench *b) {
  static const int64_t sizes[] = {1, 2, 3, 4, 5, 6, 7, 31, 32, 33, 63, 64};
  b->block = 64;
  for (int64_t s = 0; s < COUNT(sizes); s++)
    for (int type = 0; type < MPT_TYPE_COUNT; type++)
      for (int values_only = 0; values_only < 2; values_only++)
        solve(b, "rotated, even", (mpt_type)type, sizes[s], values_only);
}

static void matrix_in_one_block(void **state) {
  (void)state;
  on_all(one_block);
}

/* p?lasrt's workspace is missing from p?stedc's query: deadlock on 1x4, n = 100, nb = 64. */
static void few_blocks(bench *b) {
  static const int64_t blocks[] = {1, 3, 16, 64, 100};
  for (int64_t k = 0; k < COUNT(blocks); k++) {
    b->block = blocks[k];
    solve(b, "rotated, even", MPT_COMPLEX128, 100, false);
    solve(b, "threefold", MPT_FLOAT64, 100, false);
  }
}

static void sort_workspace(void **state) {
  (void)state;
  on_all(few_blocks);
}

/* p?heevd has no JOBZ = 'N', and its query at n = 0 leaves WORK untouched. */
static void nothing(bench *b) {
  for (int type = 0; type < MPT_TYPE_COUNT; type++)
    for (int backward = 0; backward < 2; backward++) {
      wide none;
      run r = {.type = (mpt_type)type, .count = 2, .backward = backward, .a = &none};
      run_batch(b, &r);
      CHECK(r.report[0].status == MPT_STATUS_OK && r.report[1].status == MPT_STATUS_OK,
            "%s: n = 0: status", bench_name(b));
      run_free(&r);
    }
}

static void empty_matrix(void **state) {
  (void)state;
  on_all(nothing);
}

/* p?stedc writes only its own blocks of Q: results of an earlier solve must not remain. For
 * matrices that split into many blocks, most of Q is not written. */
static void again_and_again(bench *b) {
  static const char *const kinds[] = {"random",       "identity", "diagonal, even",
                                      "Pauli string", "zero",     "random near overflow",
                                      "all ones",     "identity"};
  for (int type = 0; type < MPT_TYPE_COUNT; type++) {
    for (int64_t k = 0; k < COUNT(kinds); k++) solve(b, kinds[k], (mpt_type)type, 50, false);
    bench_close(b);
  }
}

static void state_used_again(void **state) {
  (void)state;
  on_all(again_and_again);
}

/* p?heevr deadlocks on 2x2 with all ones. */
static void deadlocking_ones(bench *b) {
  for (int64_t n = 2; n < 80; n += 11) solve(b, "all ones", MPT_COMPLEX128, n, false);
}

static void all_ones(void **state) {
  (void)state;
  on_all(deadlocking_ones);
}

/* Sizes beyond 32-bit integers are refused, and the number of ranks in the message is enough. */
static void refusal(void **state) {
  static const struct {
    const mpt_engine *engine;
    int64_t n;
  } cases[] = {{&mpt_scalapack, 28000},           {&mpt_scalapack, 60000},
               {&mpt_scalapack, 1000000},         {&mpt_scalapack, 200000000},
               {&mpt_scalapack, INT32_MAX},       {&mpt_lapack, 60000},
               {&mpt_lapack, INT32_MAX},          {&mpt_lapack, INT64_C(1) << 40},
               {&mpt_scalapack, INT64_C(1) << 40}};
  (void)state;
  for (int64_t k = 0; k < COUNT(cases); k++)
    for (int type = 0; type < MPT_TYPE_COUNT; type++) {
      mpt_shape shape = {.type = (mpt_type)type, .n = cases[k].n, .vectors = true};
      const int one[] = {1, 1};
      int64_t bytes = 0;
      mpt_error error = {0};
      mpt_code code = cases[k].engine->workspace(&shape, one, &bytes, &error);
      CHECK(code == MPT_BAD_USAGE, "%s n=%lld: not refused", cases[k].engine->name,
            (long long)shape.n);
      const char *said = strstr(error.text, "run on ");
      double ranks = said ? atof(said + 7) : 0;
      if (ranks < 2 || ranks > 1e7) continue;
      int side = 1;
      while ((double)side * side < ranks) side++;
      const int grid[] = {side, side};
      code = mpt_scalapack.workspace(&shape, grid, &bytes, &error);
      CHECK(code == MPT_DONE && bytes > 0, "n=%lld is refused on the %g ranks that were named",
            (long long)shape.n, ranks);
    }
  assert_int_equal(agree_on_failures(NULL), 0);
}

/* The number of existing communicators: MPI's profiling interface counts those of the engine and of
 * BLACS. */
static int alive;
#define COUNTED __attribute__((visibility("default")))

static int count_new(int result, const MPI_Comm *made) {
  alive += *made != MPI_COMM_NULL;
  return result;
}

COUNTED int MPI_Comm_split(MPI_Comm comm, int color, int key, MPI_Comm *made) {
  return count_new(PMPI_Comm_split(comm, color, key, made), made);
}

COUNTED int MPI_Comm_dup(MPI_Comm comm, MPI_Comm *made) {
  return count_new(PMPI_Comm_dup(comm, made), made);
}

COUNTED int MPI_Comm_create(MPI_Comm comm, MPI_Group group, MPI_Comm *made) {
  return count_new(PMPI_Comm_create(comm, group, made), made);
}

COUNTED int MPI_Comm_free(MPI_Comm *comm) {
  alive--;
  return PMPI_Comm_free(comm);
}

/* A grid that is not released leaks communicators; MPI aborts after some 20,000. */
static void reopened(bench *b) {
  const mpt_shape shape = {.type = MPT_FLOAT64, .n = 40, .vectors = true};
  const int before = alive;
  int most = 0;
  for (int k = 0; k < 300; k++) {
    mpt_state *state = NULL;
    mpt_error error = {0};
    mpt_code code = b->engine->open(&shape, &b->team, &state, &error);
    CHECK(code == MPT_DONE, "%s: opening for the %dth time: %s", bench_name(b), k, error.text);
    if (code != MPT_DONE) return;
    most = alive > most ? alive : most;
    b->engine->close(state);
  }
  CHECK(b->engine != &mpt_scalapack || most > before, "%s: communicators are not seen",
        bench_name(b));
  CHECK(alive == before, "%s: %d communicators left", bench_name(b), alive - before);
}

static void open_and_close(void **state) {
  (void)state;
  on_all(reopened);
}

static int tests(void) {
  const struct CMUnitTest list[] = {
      cmocka_unit_test(matrix_in_one_block),
      cmocka_unit_test(sort_workspace),
      cmocka_unit_test(empty_matrix),
      cmocka_unit_test(state_used_again),
      cmocka_unit_test(all_ones),
      cmocka_unit_test(refusal),
      cmocka_unit_test(open_and_close),
  };
  return cmocka_run_group_tests(list, NULL, NULL);
}

int main(int argc, char **argv) {
  return run_mpi_tests(&argc, &argv, tests);
}
