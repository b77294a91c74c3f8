/* The status of a problem that cannot be solved or differentiated, and the results of its
 * neighbours. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "harness.h"
#include "base/scalar.h"

enum { N = 10, BATCH = 3, BAD = 1 };

/* A batch of three random matrices; the middle one will be spoilt. */
typedef struct fixture {
  matrix m;
  run r;
  wide a[BATCH * N * N], gv[BATCH * N * N];
  double gw[BATCH * N];
} fixture;

static void make(fixture *f, mpt_type type) {
  memset(f, 0, sizeof *f);
  f->m = matrix_make(matrix_kind_named("rotated, even"), type, N);
  for (int64_t i = 0; i < BATCH * N * N; i++) f->a[i] = f->m.a[i % (N * N)];
  for (int64_t i = 0; i < BATCH * N; i++) f->gw[i] = 1 + i % N;
  f->r = (run){.type = type, .count = BATCH, .n = N, .backward = true, .a = f->a, .gw = f->gw};
}

static void release(fixture *f) {
  run_free(&f->r);
  matrix_free(&f->m);
}

/* Runs the batch; expects `status` and zeros for the middle problem, and correct neighbours. */
static void expect_only_middle(bench *b, fixture *f, int status, const char *what) {
  run_batch(b, &f->r);
  CHECK(f->r.report[BAD].status == status, "%s: %s: status %s instead of %s", bench_name(b), what,
        mpt_status_name(f->r.report[BAD].status), mpt_status_name(status));
  if (mpt_status_is_failure(status)) check_zero(b, &f->r, BAD, what);
  check_solution(b, &f->r, 0, &f->m, what);
  check_solution(b, &f->r, 2, &f->m, what);
}

/* Runs a test on every bench and for every type. */
static void on_all(void (*test)(bench *b, mpt_type type)) {
  bench b;
  for (int index = 0; bench_open(index, &b); index++) {
    for (int type = 0; type < MPT_TYPE_COUNT; type++) test(&b, (mpt_type)type);
    bench_close(&b);
  }
  assert_int_equal(agree_on_failures(NULL), 0);
}

/* NaN in any rank's block makes p?heevd deadlock; here every element is NaN once. */
static void spoil_each_element(bench *b, mpt_type type) {
  const long double values[] = {NAN, INFINITY, -INFINITY};
  fixture f;
  make(&f, type);
  for (int64_t i = 0; i < N * N; i += type == MPT_COMPLEX128 ? 1 : 7) {
    wide *spoilt = &f.a[BAD * N * N + i], kept = *spoilt;
    *spoilt = values[i % 3];
    if (mpt_type_is_complex(type) && i % 2) *spoilt = CMPLXL(0, values[i % 3]);
    expect_only_middle(b, &f, MPT_STATUS_NONFINITE_INPUT, "one element not finite");
    *spoilt = kept;
  }
  release(&f);
}

static void nonfinite_input(void **state) {
  (void)state;
  on_all(spoil_each_element);
}

static void break_symmetry(bench *b, mpt_type type) {
  const long double small = 10 * N * mpt_type_epsilon(type);
  fixture f;
  make(&f, type);
  for (int64_t i = 0; i < N; i += 3)
    for (int64_t j = 0; j < N; j += 4) {
      if (i == j) continue;
      wide *element = &f.a[BAD * N * N + i * N + j], kept = *element;
      *element = kept + 1e-3L;
      expect_only_middle(b, &f, MPT_STATUS_NOT_HERMITIAN, "off by 1e-3");
      *element = kept + small * cabsl(f.m.a[0]);
      expect_only_middle(b, &f, MPT_STATUS_OK, "off by rounding");
      *element = kept;
    }
  if (mpt_type_is_complex(type)) {
    f.a[BAD * N * N + 4 * N + 4] += 1e-3L * I;
    expect_only_middle(b, &f, MPT_STATUS_NOT_HERMITIAN, "complex diagonal");
  }
  release(&f);
}

static void not_hermitian(void **state) {
  (void)state;
  on_all(break_symmetry);
}

/* The other triangle holds NaN: it is not read, and is completed afterwards. */
static void one_triangle(bench *b, mpt_type type) {
  for (int upper = 0; upper < 2; upper++) {
    fixture f;
    make(&f, type);
    for (int64_t i = 0; i < BATCH * N * N; i++) {
      int64_t row = i % (N * N) / N, column = i % N;
      if (upper ? row > column : row < column) f.a[i] = NAN;
    }
    wide *spoilt = &f.a[BAD * N * N + (upper ? 2 * N + 8 : 8 * N + 2)];
    f.r.options.triangle = upper ? MPT_TRIANGLE_UPPER : MPT_TRIANGLE_LOWER;
    *spoilt = INFINITY;
    expect_only_middle(b, &f, MPT_STATUS_NONFINITE_INPUT, "one triangle");
    CHECK(b->engine->process || difference(N * N, f.a, f.m.a) <= mpt_type_epsilon(type),
          "%s: %s triangle not filled in", bench_name(b), upper ? "lower" : "upper");
    release(&f);
  }
}

static void unread_triangle(void **state) {
  (void)state;
  on_all(one_triangle);
}

static void spoil_cotangents(bench *b, mpt_type type) {
  fixture f;
  make(&f, type);
  f.r.gv = f.gv;
  for (int64_t i = 0; i < N * N; i += 3) {
    f.gv[BAD * N * N + i] = i % 2 ? NAN : INFINITY;
    expect_only_middle(b, &f, MPT_STATUS_NONFINITE_COTANGENT, "eigenvector cotangent");
    f.gv[BAD * N * N + i] = 0;
  }
  f.gw[BAD * N + 4] = NAN;
  expect_only_middle(b, &f, MPT_STATUS_NONFINITE_COTANGENT, "eigenvalue cotangent");
  release(&f);
}

static void nonfinite_cotangent(void **state) {
  (void)state;
  on_all(spoil_cotangents);
}

/* The matrix of a question in a forum: eigenvalues -1.2592 (twice) and 1.2592 (twice), loss "sum of
 * the lowest eigenvector". Its gauge violation, from the multiplet's vector with a cotangent and
 * the other one, is in [0, 1], and no gradient exists. */
static void forum_matrix(bench *b, mpt_type type) {
  const long double p = 1.2039L, q = 0.3690L;
  wide a[] = {p, 0, q, 0, 0, -p, 0, q, q, 0, -p, 0, 0, q, 0, p}, gv[16] = {0};
  wide kept[16];
  memcpy(kept, a, sizeof a);
  for (int i = 0; i < 4; i++) gv[4 * i] = 1;
  for (int fail = 0; fail < 2; fail++) {
    run r = {.type = type, .count = 1, .n = 4, .backward = true, .a = a, .gv = gv};
    memcpy(a, kept, sizeof a);
    r.options.gauge_policy = fail ? MPT_GAUGE_FAIL : MPT_GAUGE_WARN;
    run_batch(b, &r);
    /* |gv_1| = 2, |gv_2| = 0 and K_21 = sum of v_2 / 2, from the very vectors returned. */
    wide k = 0;
    for (int i = 0; i < 4; i++) k += conjl(r.v[4 * i + 1]) / 2;
    double gauge = (double)(2 * cabsl(k) / 2);
    CHECK(r.report[0].status == MPT_STATUS_GAUGE_DEPENDENT, "%s: forum: status %s", bench_name(b),
          mpt_status_name(r.report[0].status));
    CHECK(fabs(r.report[0].gauge_violation - gauge) < 1e-5, "%s: forum: gauge %g, not %g",
          bench_name(b), r.report[0].gauge_violation, gauge);
    CHECK(fabs(r.w[0] + 1.2592) < 1e-4 && r.multiplet[1] == 0 && r.multiplet[2] == 1,
          "%s: forum: spectrum", bench_name(b));
    long double largest = 0;
    for (int i = 0; i < 16; i++) largest = fmaxl(largest, cabsl(r.g[i]));
    CHECK(fail ? largest == 0 : largest > 0.01L && largest < 1, "%s: forum: gradient %Lg",
          bench_name(b), largest);
    run_free(&r);
  }
}

static void gauge_policies(void **state) {
  (void)state;
  on_all(forum_matrix);
}

/* diag(2, 2, 5), gw = (1, 3, 7): under `mean` the gradient is diag(2, 2, 7) in every basis; `raw`
 * keeps V diag(gw) V^H of the returned V; `refuse` gives none. */
static void spread(bench *b, mpt_type type) {
  static const mpt_spread_policy policies[] = {MPT_SPREAD_MEAN, MPT_SPREAD_RAW, MPT_SPREAD_REFUSE};
  const double gw[] = {1, 3, 7};
  for (int k = 0; k < 3; k++) {
    wide a[] = {2, 0, 0, 0, 2, 0, 0, 0, 5}, expected[9] = {2, 0, 0, 0, 2, 0, 0, 0, 7};
    run r = {.type = type, .count = 1, .n = 3, .backward = true, .a = a, .gw = gw};
    r.options.spread_policy = policies[k];
    run_batch(b, &r);
    for (int i = 0; k == 1 && i < 9; i++) {
      expected[i] = 0;
      for (int j = 0; j < 3; j++)
        expected[i] += r.v[i / 3 * 3 + j] * gw[j] * conjl(r.v[i % 3 * 3 + j]);
    }
    for (int i = 0; k == 2 && i < 9; i++) expected[i] = 0;
    CHECK(r.report[0].status == MPT_STATUS_SUBGRADIENT && r.report[0].refused == (k == 2),
          "%s: spread: status %s", bench_name(b), mpt_status_name(r.report[0].status));
    CHECK(fabs(r.report[0].cotangent_spread - 2.0 / 7) < 1e-6, "%s: spread %g", bench_name(b),
          r.report[0].cotangent_spread);
    CHECK(difference(9, r.g, expected) < 8 * mpt_type_epsilon(type), "%s: spread policy %d",
          bench_name(b), k);
    run_free(&r);
  }
}

static void spread_policies(void **state) {
  (void)state;
  on_all(spread);
}

/* The tolerance is relative to ||A||_2 = 8: gaps of 0.4 are inside at 0.06 and outside at 0.04. The
 * width of all three together is 0.8. */
static void tolerance(bench *b, mpt_type type) {
  static const struct {
    double tolerance;
    int32_t multiplet[4];
    double min_gap;
  } cases[] = {{0, {0, 1, 2, 3}, 0.4 / 8},
               {0.04, {0, 1, 2, 3}, 0.4 / 8},
               {0.06, {0, 0, 1, 2}, 0.4 / 8},
               {0.11, {0, 0, 0, 1}, 9.2 / 8}};
  for (int64_t k = 0; k < COUNT(cases); k++) {
    wide a[16] = {[0] = -1.2L, [5] = -2, [10] = -1.6L, [15] = 8};
    run r = {.type = type, .count = 1, .n = 4, .a = a};
    r.options.tolerance = cases[k].tolerance;
    run_batch(b, &r);
    CHECK(!memcmp(r.multiplet, cases[k].multiplet, sizeof cases[k].multiplet),
          "%s: multiplets at tolerance %g", bench_name(b), cases[k].tolerance);
    CHECK(fabs(r.report[0].min_gap - cases[k].min_gap) < 1e-6, "%s: min_gap %g", bench_name(b),
          r.report[0].min_gap);
    run_free(&r);
  }
}

static void tolerances(void **state) {
  (void)state;
  on_all(tolerance);
}

static int tests(void) {
  const struct CMUnitTest list[] = {
      cmocka_unit_test(nonfinite_input), cmocka_unit_test(not_hermitian),
      cmocka_unit_test(unread_triangle), cmocka_unit_test(nonfinite_cotangent),
      cmocka_unit_test(gauge_policies),  cmocka_unit_test(spread_policies),
      cmocka_unit_test(tolerances),
  };
  return cmocka_run_group_tests(list, NULL, NULL);
}

int main(int argc, char **argv) {
  return run_mpi_tests(&argc, &argv, tests);
}
