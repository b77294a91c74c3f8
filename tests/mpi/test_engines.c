/* The engines on matrices with known spectra: eigenpairs, order, phases, orientation. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "harness.h"

enum { NB = 32 };

static void solve(bench *b, int kind, mpt_type type, int64_t n, bool values_only) {
  matrix m = matrix_make(kind, type, n);
  run r = {.type = type, .count = 1, .n = n, .values_only = values_only};
  r.a = malloc(sizeof *r.a * (size_t)(n * n + 1));
  memcpy(r.a, m.a, sizeof *r.a * (size_t)(n * n));
  run_batch(b, &r);
  check_solution(b, &r, 0, &m, matrix_kind_name(kind));
  free(r.a);
  run_free(&r);
  matrix_free(&m);
}

/* Every kind, at sizes of one block, of several, and not divisible by the block. */
static void all_kinds(void **state) {
  static const int64_t sizes[] = {3, NB + 1, 97};
  bench b;
  (void)state;
  for (int index = 0; index < 5 && bench_open(index, &b); index++) {
    for (int type = 0; type < MPT_TYPE_COUNT; type++)
      for (int64_t s = 0; s < COUNT(sizes); s++)
        for (int kind = 0; kind < matrix_kinds(); kind++)
          if (index == 0 || b.team.size == 1 || (index < 2 && sizes[s] < 97))
            solve(&b, kind, (mpt_type)type, sizes[s], false);
    bench_close(&b);
  }
  assert_int_equal(agree_on_failures(NULL), 0);
}

static const char *const telling_kinds[] = {"random", "rotated, clustered", "angular momentum",
                                            "all ones"};

/* Every size, on every grid. */
static void all_sizes(void **state) {
  static const int64_t sizes[] = {0, 1, 2, 3, NB - 1, NB, NB + 1, 97, 128, 150};
  bench b;
  (void)state;
  for (int index = 0; bench_open(index, &b); index++) {
    for (int type = 0; type < MPT_TYPE_COUNT; type++)
      for (int64_t s = 0; s < COUNT(sizes); s++)
        for (int64_t k = 0; k < COUNT(telling_kinds); k++)
          if (sizes[s] < 128 || (type == MPT_COMPLEX128 && k < 2))
            solve(&b, matrix_kind_named(telling_kinds[k]), (mpt_type)type, sizes[s], false);
    bench_close(&b);
  }
  assert_int_equal(agree_on_failures(NULL), 0);
}

/* Eigenvalues alone, every kind. */
static void values_alone(void **state) {
  static const int64_t sizes[] = {0, 1, 2, 40};
  bench b;
  (void)state;
  for (int index = 0; bench_open(index, &b); index++) {
    for (int type = 0; type < MPT_TYPE_COUNT; type++)
      for (int64_t s = 0; s < COUNT(sizes); s++)
        for (int kind = 0; kind < matrix_kinds(); kind++)
          solve(&b, kind, (mpt_type)type, sizes[s], true);
    bench_close(&b);
  }
  assert_int_equal(agree_on_failures(NULL), 0);
}

/* A V = V w, with row i and column j at [i, j]. A matrix that is read in the other order is its
 * conjugate. The test first verifies that this matrix's conjugate has other eigenvectors, in closed
 * form: J_y of spin 1/2 has (1, -i)/sqrt 2 for -1/2, its conjugate (1, i)/sqrt 2. */
static void row_order(void **state) {
  bench b;
  (void)state;
  for (int index = 0; bench_open(index, &b); index++) {
    wide a[] = {0, -0.5L * I, 0.5L * I, 0};
    run r = {.type = MPT_COMPLEX128, .count = 1, .n = 2, .a = a};
    run_batch(&b, &r);
    const long double h = 0.70710678118654752440L;
    const wide expected[] = {h, h, -h * I, h * I};
    CHECK(difference(4, r.v, expected) < 1e-15L, "%s: eigenvectors of the conjugate",
          bench_name(&b));
    run_free(&r);
    bench_close(&b);
  }
  assert_int_equal(agree_on_failures(NULL), 0);
}

static int tests(void) {
  const struct CMUnitTest list[] = {
      cmocka_unit_test(row_order),
      cmocka_unit_test(all_kinds),
      cmocka_unit_test(all_sizes),
      cmocka_unit_test(values_alone),
  };
  return cmocka_run_group_tests(list, NULL, NULL);
}

int main(int argc, char **argv) {
  return run_mpi_tests(&argc, &argv, tests);
}
