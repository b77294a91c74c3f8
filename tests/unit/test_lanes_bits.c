/* The lanes engine, to the last bit: a problem's result depends only on the problem, problems that
 * lanes do not solve are solved as lapack does, and inputs are only read. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/resource.h>
#include "lanes_batches.h"
#include "base/scalar.h"
#include "engine/process.h"

/* The smaller sizes are interleaved in the backward pass, the larger are not; the limits are 16 |
 * 17 and 24 | 25. */
static const int64_t sizes[] = {1, 2, 5, 16, 17, 24, 25, 33};
enum { LARGEST = 64 }; /* the long tier uses every n up to this */

static bool same_report(const mpt_report *p, const mpt_report *q) {
  const size_t first = offsetof(mpt_report, largest), end = offsetof(mpt_report, refused);
  return p->status == q->status && p->refused == q->refused &&
         !memcmp((const char *)p + first, (const char *)q + first, end - first);
}

static void expect(bool same, const arrays *x, int64_t k, int64_t l, const char *what) {
  if (!same)
    fail_msg("%s, %s, n = %lld: %s of problem %lld, %lld in the other batch, differ",
             mpt_lanes_isa(), mpt_type_name(x->type), (long long)x->n, what, (long long)k,
             (long long)l);
}

/* Problem k of x and problem l of y have the same eigenpairs and, with `all`, the same gradients
 * and reports. */
static void assert_same(const arrays *x, int64_t k, const arrays *y, int64_t l, bool all) {
  const size_t n = (size_t)x->n, each = n * n * mpt_type_size(x->type);
  const size_t row = n * mpt_real_size(x->type), i = (size_t)k, j = (size_t)l;
  expect(!memcmp((char *)x->w + i * row, (char *)y->w + j * row, row), x, k, l, "eigenvalues");
  expect(!memcmp((char *)x->v + i * each, (char *)y->v + j * each, each), x, k, l, "vectors");
  expect(!memcmp(x->multiplet + i * n, y->multiplet + j * n, n * sizeof(int32_t)), x, k, l,
         "multiplets");
  if (!all) return;
  expect(!memcmp((char *)x->g + i * each, (char *)y->g + j * each, each), x, k, l, "gradients");
  expect(same_report(&x->report[k], &y->report[l]), x, k, l, "reports");
}

/* Copies inputs and outputs of problem k of y to problem l of x. */
static void copy(arrays *y, int64_t k, const arrays *x, int64_t l) {
  const size_t n = (size_t)x->n, each = n * n * mpt_type_size(x->type);
  const size_t row = n * mpt_real_size(x->type), i = (size_t)k, j = (size_t)l;
  memcpy((char *)y->a + i * each, (char *)x->a + j * each, each);
  memcpy((char *)y->gv + i * each, (char *)x->gv + j * each, each);
  memcpy((char *)y->gw + i * row, (char *)x->gw + j * row, row);
  memcpy((char *)y->w + i * row, (char *)x->w + j * row, row);
  memcpy((char *)y->v + i * each, (char *)x->v + j * each, each);
}

static void spoil(arrays *x) {
  memset(x->w, 0x5a, values(x));
  memset(x->v, 0x5a, matrices(x));
  memset(x->g, 0x5a, matrices(x));
  memset(x->multiplet, 0x5a, (size_t)(x->count * x->n) * sizeof *x->multiplet);
}

/* A batch of all kinds and scales, with some problems that cannot be solved or differentiated. */
static arrays motley(mpt_type type, int64_t n, int64_t count) {
  arrays x = make(type, n, count);
  x.options.solver = MPT_SOLVER_LANES;
  for (int64_t k = 0; k < count; k++) {
    set_matrix(&x, k, (kind)(k * 5 % KINDS), scale(type, k / 2));
    if (k % 13 == 4) put(type, x.a, k * n * n + k % (n * n), k % 2 ? NAN : INFINITY);
    if (k % 17 == 6) put(type, x.gv, k * n * n + k % (n * n), NAN);
    if (k % 19 == 8 && n > 1) put(type, x.a, k * n * n + 1, 1e-2 * scale(type, k / 2));
  }
  return x;
}

/* Solves every problem of x alone; the results go into x. */
static void solve_alone(arrays *x, pass which) {
  arrays one = make(x->type, x->n, 1);
  one.options = x->options;
  const size_t n = (size_t)x->n, each = n * n * mpt_type_size(x->type);
  const size_t row = n * mpt_real_size(x->type);
  for (int64_t k = 0; k < x->count; k++) {
    copy(&one, 0, x, k);
    if (which != BACKWARD) spoil(&one);
    succeed(&one, which);
    memcpy((char *)x->w + (size_t)k * row, one.w, row);
    memcpy((char *)x->v + (size_t)k * each, one.v, each);
    memcpy((char *)x->g + (size_t)k * each, one.g, each);
    memcpy(x->multiplet + (size_t)k * n, one.multiplet, n * sizeof(int32_t));
    x->report[k] = one.report[0];
  }
  release(&one);
}

/* The first `count` problems of x in a batch, rotated by `shift` places. */
static void turned_round(const arrays *x, int64_t count, int64_t shift) {
  arrays y = make(x->type, x->n, count);
  y.options = x->options;
  for (int64_t k = 0; k < count; k++) copy(&y, (k + shift) % count, x, k);
  spoil(&y);
  succeed(&y, BOTH);
  for (int64_t k = 0; k < count; k++) assert_same(x, k, &y, (k + shift) % count, true);
  release(&y);
}

static void on_sizes(void (*test)(const mpt_lanes_set *set, mpt_type type, int64_t n)) {
  const mpt_lanes_set *set;
  for (int k = 0; (set = use_set(k)) != NULL; k++)
    for (int type = 0; type < MPT_TYPE_COUNT; type++)
      for (int64_t n = 1, i = 0; n <= LARGEST; n++)
        if (long_tier() || (i < (int64_t)COUNT(sizes) && n == sizes[i])) {
          test(set, (mpt_type)type, n);
          i++;
        }
}

/* Batches of 1 to 3 chunk + 1 problems. Where n is small, a problem is in every place of a chunk
 * once. */
static void alone_or_not(const mpt_lanes_set *set, mpt_type type, int64_t n) {
  const int64_t chunk = set->kernels[type].chunk, most = 3 * chunk + 1;
  const int64_t step = n <= 5 ? 1 : n <= 17 ? chunk / 3 + 1 : chunk + 1;
  arrays x = motley(type, n, most);
  solve_alone(&x, BOTH);
  for (int64_t count = 1; count <= most; count += step) turned_round(&x, count, 0);
  for (int64_t shift = 0; shift < chunk; shift += step) turned_round(&x, most, shift);
  release(&x);
}

static void neighbours_do_not_matter(void **state) {
  (void)state;
  on_sizes(alone_or_not);
}

/* The gradient and its diagnostics are the same. */
static void assert_same_gradient(const arrays *x, const arrays *y, int64_t k) {
  const size_t each = (size_t)(x->n * x->n) * mpt_type_size(x->type), at = (size_t)k * each;
  const mpt_report *p = &x->report[k], *q = &y->report[k];
  assert_memory_equal((char *)x->g + at, (char *)y->g + at, each);
  assert_int_equal(p->status, q->status);
  assert_true(p->gauge_violation == q->gauge_violation && p->min_gap == q->min_gap);
  assert_true(p->cotangent_spread == q->cotangent_spread && p->gradient_error == q->gradient_error);
}

/* The forward pass alone, both passes at once, and a backward pass with given eigenpairs, with and
 * without the matrix, give the same eigenpairs and the same gradient. run() makes inputs
 * read-only. */
static void by_passes(const mpt_lanes_set *set, mpt_type type, int64_t n) {
  const int64_t count = set->kernels[type].chunk + 3;
  arrays x = motley(type, n, count), y = anew(&x);
  succeed(&x, BOTH);
  spoil(&y);
  succeed(&y, FORWARD);
  for (int64_t k = 0; k < count; k++)
    if (x.report[k].status != MPT_STATUS_NONFINITE_COTANGENT) assert_same(&x, k, &y, k, false);
  for (int without = 0; without < 2; without++) {
    arrays z = y;
    memset(y.g, 0x5a, matrices(&y));
    if (without) z.a = NULL;
    succeed(&z, BACKWARD);
    for (int64_t k = 0; k < count; k++) {
      if (mpt_status_is_failure(x.report[k].status)) continue;
      assert_same_gradient(&x, &y, k);
      if (!without) assert_same(&x, k, &y, k, true);
    }
  }
  release(&x);
  release(&y);
}

static void passes_agree(void **state) {
  (void)state;
  on_sizes(by_passes);
}

static void without_vectors(const mpt_lanes_set *set, mpt_type type, int64_t n) {
  const int64_t count = set->kernels[type].chunk + 3;
  arrays x = motley(type, n, count), y = anew(&x), z = y;
  succeed(&x, FORWARD);
  spoil(&y);
  z.v = NULL;
  succeed(&z, FORWARD);
  assert_memory_equal(x.w, y.w, values(&x));
  assert_memory_equal(x.multiplet, y.multiplet, (size_t)(count * n) * sizeof *x.multiplet);
  for (int64_t k = 0; k < count; k++) {
    assert_int_equal(x.report[k].status, y.report[k].status);
    assert_true(x.report[k].min_gap == y.report[k].min_gap);
    assert_true(y.report[k].residual == 0 && y.report[k].orthogonality == 0);
  }
  release(&x);
  release(&y);
}

static void values_alone(void **state) {
  (void)state;
  on_sizes(without_vectors);
}

static void on_threads(const mpt_lanes_set *set, mpt_type type, int64_t n) {
  const int64_t count = n <= 5 ? 2000 : 3 * set->kernels[type].chunk + 1;
  arrays x = motley(type, n, count);
  solve_alone(&x, BOTH);
  for (int threads = 1; threads <= 3; threads++) {
    arrays y = anew(&x);
    y.options.threads = threads;
    succeed(&y, BOTH);
    for (int64_t k = 0; k < count; k++) assert_same(&x, k, &y, k, true);
    release(&y);
  }
  release(&x);
}

static void threads_do_not_matter(void **state) {
  (void)state;
  on_sizes(on_threads);
}

/* A batch whose diagonal problems need no sweep; the other problems need more sweeps than the one
 * that they get. */
static arrays slow(mpt_type type, int64_t n, int64_t count, mpt_solver solver) {
  arrays x = make(type, n, count);
  x.options.solver = solver;
  for (int64_t k = 0; k < count; k++)
    if (k % 3 == 0) set_matrix(&x, k, DIAGONAL, scale(type, k));
  return x;
}

static void handed_over(const mpt_lanes_set *set, mpt_type type, int64_t n) {
  if (n < 5) return; /* one sweep may be enough */
  const int64_t count = set->kernels[type].chunk + 5;
  arrays x = slow(type, n, count, MPT_SOLVER_LANES), y = anew(&x), z = anew(&x);
  for (int triangle = MPT_TRIANGLE_FULL; triangle <= MPT_TRIANGLE_UPPER; triangle++) {
    x.options.triangle = y.options.triangle = z.options.triangle = (mpt_triangle)triangle;
    y.options.solver = MPT_SOLVER_LAPACK;
    solve_alone(&y, BOTH); /* solved by lapack */
    succeed(&z, BOTH);     /* solved by lanes */
    mpt_lanes_limit_sweeps(1);
    spoil(&x);
    succeed(&x, BOTH);
    mpt_lanes_limit_sweeps(0);
    for (int64_t k = 0; k < count; k++) {
      assert_false(mpt_status_is_failure(x.report[k].status));
      assert_int_equal(x.report[k].retried, k % 3 != 0);
      assert_int_equal(x.report[k].first_failed != MPT_FAILED_NONE, k % 3 != 0);
      x.report[k].retried = x.report[k].first_failed = x.report[k].first_decade = 0;
      assert_same(&x, k, k % 3 == 0 ? &z : &y, k, true);
      if (k % 3) assert_memory_not_equal(&x.report[k].residual, &z.report[k].residual, 16);
    }
  }
  release(&x);
  release(&y);
  release(&z);
}

static void lost_problems_go_to_lapack(void **state) {
  (void)state;
  on_sizes(handed_over);
}

static void assert_zero(const arrays *x, int64_t k) {
  for (int64_t i = k * x->n * x->n; i < (k + 1) * x->n * x->n; i++)
    assert_true(get(x->type, x->v, i) == 0 && get(x->type, x->g, i) == 0);
  for (int64_t i = k * x->n; i < (k + 1) * x->n; i++)
    assert_true(get(real_of(x->type), x->w, i) == 0 && x->multiplet[i] == 0);
}

static void limit_memory(const mpt_batch *batch, mpt_state *state) {
  static const mpt_options options;
  const mpt_team alone = mpt_team_of_one();
  struct rlimit before, little;
  long used = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  assert_true(file && fscanf(file, "%ld", &used) == 1);
  fclose(file);
  getrlimit(RLIMIT_AS, &before);
  little = before;
  little.rlim_cur = (rlim_t)used * 4096;
  mpt_batch b = *batch;
  setrlimit(RLIMIT_AS, &little);
  mpt_process_batch(&mpt_lanes, state, &alone, &options, &b);
  setrlimit(RLIMIT_AS, &before);
}

/* Memory for lapack's workspace runs out when the first problem is passed on. */
static void no_memory(void **state) {
  (void)state;
#if defined(__SANITIZE_ADDRESS__)
  skip();
#endif
  const mpt_team alone = mpt_team_of_one();
  arrays x = make(MPT_COMPLEX128, 300, 6);
  const mpt_shape shape = {.type = x.type, .n = x.n, .vectors = true, .backward = true};
  mpt_batch b = {.type = x.type, .count = x.count, .n = x.n, .rows = x.n, .a = x.a, .w = x.w};
  mpt_state *lanes = NULL;
  mpt_error error = {0};
  b.v = x.v, b.g = x.g, b.gw = x.gw, b.gv = x.gv, b.multiplet = x.multiplet, b.report = x.report;
  assert_int_equal(mpt_lanes.open(&shape, &alone, &lanes, &error), MPT_DONE);
  spoil(&x);
  mpt_lanes_limit_sweeps(1);
  limit_memory(&b, lanes);
  mpt_lanes_limit_sweeps(0);
  for (int64_t k = 0; k < x.count; k++) {
    assert_int_equal(x.report[k].status, MPT_STATUS_INTERNAL);
    assert_zero(&x, k);
  }
  mpt_lanes.close(lanes);
  release(&x);
}

static const long double bad_values[] = {NAN, INFINITY, -INFINITY};

/* NaN or infinity in each part of each element of one problem, at a different place each time, and
 * of its cotangents. */
static void spoilt(const mpt_lanes_set *set, mpt_type type, int64_t n) {
  const int64_t count = set->kernels[type].chunk + 1, parts = mpt_type_is_complex(type) ? 2 : 1;
  if (n > 5 && n != 17) return;
  arrays x = make(type, n, count), y = anew(&x);
  x.options.solver = y.options.solver = MPT_SOLVER_LANES;
  succeed(&x, BOTH);
  for (int64_t i = 0; i < 2 * n * n * parts; i += n == 17 ? 37 : 1) {
    void *array = i < n * n * parts ? y.a : y.gv;
    const int64_t bad = i * 7 % count, at = bad * n * n + i / parts % (n * n);
    const wide kept = get(type, array, at), value = bad_values[i % 3];
    put(type, array, at, i % parts ? CMPLXL(0, creall(value)) : value);
    spoil(&y);
    succeed(&y, BOTH);
    put(type, array, at, kept);
    assert_int_equal(y.report[bad].status,
                     array == y.a ? MPT_STATUS_NONFINITE_INPUT : MPT_STATUS_NONFINITE_COTANGENT);
    assert_zero(&y, bad);
    for (int64_t k = 0; k < count; k++)
      if (k != bad) assert_same(&x, k, &y, k, true);
  }
  release(&x);
  release(&y);
}

static void nonfinite_problems_fail_alone(void **state) {
  (void)state;
  on_sizes(spoilt);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(no_memory), /* first, since freed memory would be enough */
      cmocka_unit_test(neighbours_do_not_matter),
      cmocka_unit_test(passes_agree),
      cmocka_unit_test(values_alone),
      cmocka_unit_test(threads_do_not_matter),
      cmocka_unit_test(lost_problems_go_to_lapack),
      cmocka_unit_test(nonfinite_problems_fail_alone),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
