/* Selections of eigenpairs of arrays in memory, against the calls on whole spectra. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "memory_arrays.h"

/* A selection of x's pairs, with arrays of its own. */
typedef struct selection {
  mpt_select select;
  mpt_factors factors;
  int64_t m;
  void *w, *v, *gw, *gv, *g;
  int32_t *found, *multiplet;
  mpt_report *report;
} selection;

static size_t reals(const arrays *x, int64_t columns) {
  return (size_t)(x->count * columns) * mpt_real_size(x->type);
}

static size_t vectors(const arrays *x, int64_t columns) {
  return (size_t)(x->count * x->n * columns) * mpt_type_size(x->type);
}

static selection select_of(const arrays *x, mpt_select select) {
  selection s = {.select = select, .factors = {.size = sizeof(mpt_factors)}};
  s.select.size = sizeof select;
  s.m = mpt_select_columns(&s.select, x->n);
  s.w = pages(reals(x, s.m));
  s.gw = pages(reals(x, s.m));
  s.v = pages(vectors(x, s.m));
  s.gv = pages(vectors(x, s.m));
  s.g = pages(matrices(x));
  s.factors.reflectors = pages(matrices(x));
  s.factors.tau = pages(vectors(x, 1));
  void **const kept[] = {&s.factors.diagonal, &s.factors.offdiagonal, &s.factors.eigenvalues};
  for (size_t k = 0; k < COUNT(kept); k++) *kept[k] = pages(values(x));
  s.found = calloc((size_t)x->count + 1, sizeof *s.found);
  s.multiplet = calloc((size_t)(x->count * s.m) + 1, sizeof *s.multiplet);
  s.report = calloc((size_t)x->count + 1, sizeof *s.report);
  for (int64_t i = 0; i < x->count * s.m; i++)
    put(real_of(x->type), s.gw, i, random_element(real_of(x->type)));
  for (int64_t i = 0; i < x->count * x->n * s.m; i++)
    put(x->type, s.gv, i, random_element(x->type));
  return s;
}

static void unselect(const arrays *x, selection *s) {
  munmap(s->w, reals(x, s->m) + 1);
  munmap(s->gw, reals(x, s->m) + 1);
  munmap(s->v, vectors(x, s->m) + 1);
  munmap(s->gv, vectors(x, s->m) + 1);
  munmap(s->g, matrices(x) + 1);
  munmap(s->factors.reflectors, matrices(x) + 1);
  munmap(s->factors.tau, vectors(x, 1) + 1);
  void *const kept[] = {s->factors.diagonal, s->factors.offdiagonal, s->factors.eigenvalues};
  for (size_t k = 0; k < COUNT(kept); k++) munmap(kept[k], values(x) + 1);
  free(s->found);
  free(s->multiplet);
  free(s->report);
}

static mpt_code forward(const arrays *x, const selection *s, const mpt_factors *factors) {
  mprotect(x->a, matrices(x) + 1, PROT_READ);
  const mpt_code code =
      mpt_eigh_selected(x->type, x->n, x->count, &x->options, &s->select, x->a, s->w, s->v,
                        s->found, factors, s->multiplet, s->report, NULL);
  mprotect(x->a, matrices(x) + 1, PROT_READ | PROT_WRITE);
  return code;
}

/* A write to an input ends the test. */
static void protect_pairs(const arrays *x, const selection *s, int how) {
  mprotect(x->a, matrices(x) + 1, how);
  mprotect(s->w, reals(x, s->m) + 1, how);
  mprotect(s->v, vectors(x, s->m) + 1, how);
  mprotect(s->gw, reals(x, s->m) + 1, how);
  mprotect(s->gv, vectors(x, s->m) + 1, how);
  mprotect(s->factors.reflectors, matrices(x) + 1, how);
  mprotect(s->factors.tau, vectors(x, 1) + 1, how);
  mprotect(s->factors.diagonal, values(x) + 1, how);
  mprotect(s->factors.eigenvalues, values(x) + 1, how);
}

static mpt_code backward(const arrays *x, const selection *s, bool with_a, const void *gv,
                         const mpt_factors *factors) {
  protect_pairs(x, s, PROT_READ);
  const mpt_code code = mpt_eigh_selected_backward(x->type, x->n, x->count, &x->options, &s->select,
                                                   with_a ? x->a : NULL, s->w, s->v, s->gw, gv,
                                                   s->g, factors, s->multiplet, s->report, NULL);
  protect_pairs(x, s, PROT_READ | PROT_WRITE);
  return code;
}

static long double size_of(mpt_type type, const void *a, const void *b, int64_t from, int64_t n) {
  long double sum = 0;
  for (int64_t i = from; i < from + n; i++)
    sum += powl(cabsl(get(type, a, i) - (b ? get(type, b, i) : 0)), 2);
  return sqrtl(sum);
}

/* Replaces the selected pairs of x, from number `first` on, and its cotangents: of the others they
 * are zero. */
static void embed(arrays *x, const selection *s, int64_t first) {
  const mpt_type real = real_of(x->type);
  memset(x->gw, 0, values(x));
  memset(x->gv, 0, matrices(x));
  for (int64_t i = 0; i < x->count * s->m; i++)
    put(real, x->gw, i / s->m * x->n + first + i % s->m, get(real, s->gw, i));
  for (int64_t i = 0; i < x->count * x->n * s->m; i++) {
    const int64_t to = i / s->m * x->n + first + i % s->m;
    put(x->type, x->v, to, get(x->type, s->v, i));
    put(x->type, x->gv, to, get(x->type, s->gv, i));
  }
}

static void expect_pairs(const arrays *x, const selection *s, int64_t first) {
  const int64_t n = x->n, m = s->m;
  const double bound = 40 * (double)n * mpt_type_epsilon(x->type) * (double)n;
  for (int64_t k = 0; k < x->count; k++) {
    assert_int_equal(s->report[k].status, MPT_STATUS_OK);
    assert_int_equal(s->found[k], m);
    for (int64_t j = 0; j < m; j++) {
      const long double w = creall(get(real_of(x->type), s->w, k * m + j));
      assert_true(fabsl(w - creall(get(real_of(x->type), x->w, k * n + first + j))) < bound);
      assert_int_equal(s->multiplet[k * m + j], j);
      long double residual = 0;
      for (int64_t r = 0; r < n; r++) {
        wide sum = -w * get(x->type, s->v, (k * n + r) * m + j);
        for (int64_t c = 0; c < n; c++)
          sum += get(x->type, x->a, (k * n + r) * n + c) * get(x->type, s->v, (k * n + c) * m + j);
        residual += powl(cabsl(sum), 2);
      }
      assert_true(sqrtl(residual) < bound);
    }
  }
}

static void expect_gradient(const arrays *x, const selection *s) {
  const int64_t n2 = x->n * x->n;
  for (int64_t k = 0; k < x->count; k++) {
    assert_false(mpt_status_is_failure(s->report[k].status));
    const double error = fmax(fmax(x->report[k].gradient_error, s->report[k].gradient_error),
                              100 * (double)x->n * mpt_type_epsilon(x->type));
    const long double size = size_of(x->type, x->g, NULL, k * n2, n2);
    assert_true(size > 0 && size_of(x->type, x->g, s->g, k * n2, n2) < 10 * error * size);
  }
}

/* Pairs and gradients, with kept factors, and reduced once more. */
static void compare(mpt_type type, int64_t n, int64_t count, mpt_select select, int64_t first) {
  arrays x = make(type, n, count);
  selection s = select_of(&x, select);
  succeed(&x, FORWARD);
  memset(s.w, 1, reals(&x, s.m));
  memset(s.v, 1, vectors(&x, s.m));
  assert_int_equal(forward(&x, &s, &s.factors), MPT_DONE);
  expect_pairs(&x, &s, first);
  embed(&x, &s, first);
  succeed(&x, BACKWARD);
  for (int way = 0; way < 3; way++) {
    memset(s.g, 1, matrices(&x));
    const mpt_factors *factors = way == 1 ? NULL : &s.factors;
    assert_int_equal(backward(&x, &s, way > 0, s.gv, factors), MPT_DONE);
    expect_gradient(&x, &s);
  }
  unselect(&x, &s);
  release(&x);
}

static void like_whole_spectra(mpt_type type) {
  static const struct { int64_t n, count; } sizes[] = {{6, 70}, {40, 3}, {130, 1}};
  for (size_t k = 0; k < COUNT(sizes); k++) {
    const int64_t n = sizes[k].n, count = sizes[k].count;
    compare(type, n, count, (mpt_select){.kind = MPT_SELECT_LOWEST, .at_most = 2}, 0);
    compare(type, n, count, (mpt_select){.kind = MPT_SELECT_HIGHEST, .at_most = 3}, n - 3);
    compare(type, n, count, (mpt_select){.kind = MPT_SELECT_INDEX, .index = {2, 5}}, 2);
    compare(type, n, count, (mpt_select){.kind = MPT_SELECT_INDEX, .index = {n - 2, 3 * n}}, n - 2);
  }
}

static void selections(void **state) {
  (void)state;
  on_types(like_whole_spectra);
}

/* diag(1, 2, 3, ..., n), and k times it, times a size. */
static arrays ladder(mpt_type type, int64_t n, int64_t count, long double size) {
  arrays x = make(type, n, count);
  memset(x.a, 0, matrices(&x));
  for (int64_t i = 0; i < count * n; i++)
    put(type, x.a, i * n + i % n, size * (i % n + 1) * (i / n + 1));
  return x;
}

static void ranged(mpt_type type) {
  for (int64_t n = 8; n <= 160; n *= 20) {
    arrays x = ladder(type, n, 4, 1);
    const mpt_select range = {.kind = MPT_SELECT_RANGE, .range = {3.5, 6}, .at_most = 2};
    selection s = select_of(&x, range);
    static const int32_t found[] = {2, 1, 0, 1},
                         status[] = {MPT_STATUS_OK, MPT_STATUS_OK, MPT_STATUS_OK, MPT_STATUS_OK};
    assert_int_equal(s.m, 2);
    assert_int_equal(forward(&x, &s, &s.factors), MPT_DONE);
    for (int k = 0; k < 4; k++) {
      assert_int_equal(s.report[k].status, status[k]);
      assert_int_equal(s.found[k], found[k]);
    }
    const mpt_type real = real_of(type);
    assert_true(creall(get(real, s.w, 0)) == 4 && creall(get(real, s.w, 1)) == 5);
    assert_true(creall(get(real, s.w, 2)) == 4 && creall(get(real, s.w, 3)) == 0);
    assert_true(creall(get(real, s.w, 4)) == 0);
    assert_int_equal(backward(&x, &s, false, NULL, &s.factors), MPT_DONE);
    const int64_t n2 = n * n, places[][2] = {{3, 0}, {4, 1}, {n2 + n + 1, 2}};
    for (int i = 0; i < 2; i++)
      assert_true(cabsl(get(type, s.g, places[i][0] * (n + 1)) - get(real, s.gw, places[i][1])) <
                  1e-6L);
    assert_true(cabsl(get(type, s.g, places[2][0]) - get(real, s.gw, places[2][1])) < 1e-6L);
    assert_true(size_of(type, s.g, NULL, 2 * n2, n2) == 0); /* an empty range */
    s.select.range[1] = 6.5;
    assert_int_equal(forward(&x, &s, &s.factors), MPT_DONE);
    assert_int_equal(s.report[0].status, MPT_STATUS_TOO_MANY_IN_RANGE);
    assert_true(creall(get(real, s.w, 0)) == 0 && s.found[0] == 0);
    assert_int_equal(s.report[1].status, MPT_STATUS_OK);
    assert_int_equal(backward(&x, &s, false, NULL, &s.factors), MPT_DONE);
    assert_true(size_of(type, s.g, NULL, 0, n2) == 0);
    unselect(&x, &s);
    release(&x);
  }
}

static void ranges(void **state) {
  (void)state;
  on_types(ranged);
}

/* Of (1, 1, 3, 4, ...) the lowest: its eigenvalue has the gradient P / 2, its vector none. */
static void cut(mpt_type type) {
  for (int64_t n = 6; n <= 150; n *= 25) {
    arrays x = ladder(type, n, 1, 1);
    put(type, x.a, n + 1, 1);
    selection s = select_of(&x, (mpt_select){.kind = MPT_SELECT_LOWEST, .at_most = 1});
    put(real_of(type), s.gw, 0, 1);
    for (int way = 0; way < 2; way++) {
      const mpt_factors *factors = way ? &s.factors : NULL;
      x.options.spread_policy = MPT_SPREAD_MEAN;
      assert_int_equal(forward(&x, &s, &s.factors), MPT_DONE);
      assert_int_equal(s.report[0].status, MPT_STATUS_OK);
      assert_int_equal(backward(&x, &s, !way, NULL, factors), MPT_DONE);
      assert_int_equal(s.report[0].status, MPT_STATUS_SUBGRADIENT);
      for (int64_t i = 0; i < n * n; i++)
        assert_true(cabsl(get(type, s.g, i) - (i == 0 || i == n + 1 ? 0.5L : 0)) < 1e-5L);
      assert_int_equal(backward(&x, &s, !way, s.gv, factors), MPT_DONE);
      assert_int_equal(s.report[0].status, MPT_STATUS_SPLIT_MULTIPLET);
      assert_true(size_of(type, s.g, NULL, 0, n * n) == 0);
      x.options.spread_policy = MPT_SPREAD_RAW;
      assert_int_equal(backward(&x, &s, !way, NULL, factors), MPT_DONE);
      assert_int_equal(s.report[0].status, MPT_STATUS_SPLIT_MULTIPLET);
    }
    unselect(&x, &s);
    release(&x);
  }
}

static void cut_multiplets(void **state) {
  (void)state;
  on_types(cut);
}

/* Without the matrix, the factors say how large it is. */
static void extreme_sizes(void **state) {
  (void)state;
  static const long double sizes[] = {1e-280L, 1e270L};
  for (int64_t n = 8; n <= 160; n *= 20)
    for (size_t k = 0; k < COUNT(sizes); k++) {
      arrays x = make(MPT_COMPLEX128, n, 1);
      for (int64_t i = 0; i < n * n; i++) put(x.type, x.a, i, sizes[k] * get(x.type, x.a, i));
      selection s = select_of(&x, (mpt_select){.kind = MPT_SELECT_HIGHEST, .at_most = 2});
      memset(s.gw, 0, reals(&x, s.m)); /* beside vectors' cotangents, divided by gaps */
      for (int64_t i = 0; i < n * s.m; i++)
        put(x.type, s.gv, i, get(x.type, s.gv, i) * (sizes[k] > 1 ? 1e100L : 1e-100L));
      succeed(&x, FORWARD);
      assert_int_equal(forward(&x, &s, &s.factors), MPT_DONE);
      embed(&x, &s, n - 2);
      succeed(&x, BACKWARD);
      assert_int_equal(backward(&x, &s, false, s.gv, &s.factors), MPT_DONE);
      expect_gradient(&x, &s);
      unselect(&x, &s);
      release(&x);
    }
}

/* Threads, a handle that served another selection, and JAX's convention. */
static void options_hold(void **state) {
  (void)state;
  mpt_solver_handle *handle;
  assert_int_equal(mpt_solver_create(&handle, NULL), MPT_DONE);
  for (int64_t n = 7; n <= 140; n *= 20) {
    arrays x = make(MPT_COMPLEX128, n, 9);
    selection s = select_of(&x, (mpt_select){.kind = MPT_SELECT_LOWEST, .at_most = 2}),
              t = select_of(&x, (mpt_select){.kind = MPT_SELECT_LOWEST, .at_most = 5}),
              u = select_of(&x, s.select);
    assert_int_equal(forward(&x, &s, &s.factors), MPT_DONE);
    assert_int_equal(backward(&x, &s, false, s.gv, &s.factors), MPT_DONE);
    x.options.handle = handle;
    assert_int_equal(forward(&x, &t, &t.factors), MPT_DONE);
    assert_int_equal(backward(&x, &t, false, t.gv, &t.factors), MPT_DONE);
    x.options.threads = 3;
    x.options.convention = MPT_CONVENTION_JAX;
    assert_int_equal(forward(&x, &u, &u.factors), MPT_DONE);
    assert_memory_equal(u.v, s.v, vectors(&x, 2));
    memcpy(u.gw, s.gw, reals(&x, 2));
    for (int64_t i = 0; i < 9 * n * 2; i++) put(x.type, u.gv, i, conjl(get(x.type, s.gv, i)));
    assert_int_equal(backward(&x, &u, false, u.gv, &u.factors), MPT_DONE);
    for (int64_t i = 0; i < 9 * n * n; i++)
      assert_true(get(x.type, u.g, i) == conjl(get(x.type, s.g, i)));
    unselect(&x, &s);
    unselect(&x, &t);
    unselect(&x, &u);
    release(&x);
  }
  mpt_solver_destroy(handle);
}

/* Factors are read by the engine that made them, whoever is asked for later. */
static void factors_name_their_engine(void **state) {
  (void)state;
  for (int solver = MPT_SOLVER_LANES; solver <= MPT_SOLVER_LAPACK; solver++) {
    arrays x = make(MPT_FLOAT64, 10, 3);
    selection s = select_of(&x, (mpt_select){.kind = MPT_SELECT_INDEX, .index = {3, 6}});
    void *g = malloc(matrices(&x));
    put(x.type, x.a, 0, NAN); /* the first problem fails */
    x.options.solver = (mpt_solver)solver;
    assert_int_equal(forward(&x, &s, &s.factors), MPT_DONE);
    assert_int_equal(s.report[0].status, MPT_STATUS_NONFINITE_INPUT);
    for (int64_t k = 0; k < 3; k++)
      assert_true(creall(get(x.type, s.factors.tau, k * 10 + 9)) ==
                  (k && solver == MPT_SOLVER_LANES));
    assert_int_equal(backward(&x, &s, false, s.gv, &s.factors), MPT_DONE);
    memcpy(g, s.g, matrices(&x));
    x.options.solver = (mpt_solver)(MPT_SOLVER_LANES + MPT_SOLVER_LAPACK - solver);
    assert_int_equal(backward(&x, &s, false, s.gv, &s.factors), MPT_DONE);
    assert_memory_equal(g, s.g, matrices(&x));
    assert_true(size_of(x.type, s.g, NULL, 0, 100) == 0);
    assert_true(size_of(x.type, s.g, NULL, 100, 200) > 0);
    free(g);
    unselect(&x, &s);
    release(&x);
  }
}

static void values_alone(void **state) {
  (void)state;
  for (int64_t n = 5; n <= 150; n *= 30) {
    arrays x = make(MPT_COMPLEX64, n, 2);
    selection s = select_of(&x, (mpt_select){.kind = MPT_SELECT_HIGHEST, .at_most = 1});
    void *v = s.v;
    assert_int_equal(forward(&x, &s, NULL), MPT_DONE);
    const double first = (double)creall(get(MPT_FLOAT32, s.w, 0));
    s.v = NULL;
    assert_int_equal(forward(&x, &s, NULL), MPT_DONE);
    assert_true(fabs((double)creall(get(MPT_FLOAT32, s.w, 0)) / first - 1) < 1e-5);
    s.v = v;
    unselect(&x, &s);
    release(&x);
  }
}

static void bad_arguments(void **state) {
  (void)state;
  static const mpt_select wrong[] = {
      {.kind = MPT_SELECT_ALL},
      {.kind = (mpt_select_kind)7},
      {.kind = MPT_SELECT_LOWEST},
      {.kind = MPT_SELECT_HIGHEST, .at_most = -1},
      {.kind = MPT_SELECT_INDEX, .index = {2, 2}},
      {.kind = MPT_SELECT_INDEX, .index = {-1, 2}},
      {.kind = MPT_SELECT_RANGE, .range = {1, 1}, .at_most = 2},
      {.kind = MPT_SELECT_RANGE, .range = {0, 1}},
      {.kind = MPT_SELECT_RANGE, .range = {(double)NAN, 1}, .at_most = 2},
  };
  arrays x = make(MPT_FLOAT64, 4, 2);
  selection s =
      select_of(&x, (mpt_select){.kind = MPT_SELECT_RANGE, .range = {-9, 9}, .at_most = 4});
  const mpt_select good = s.select;
  const mpt_factors whole = s.factors;
  assert_int_equal(forward(&x, &s, &s.factors), MPT_DONE);
  for (size_t k = 0; k < COUNT(wrong); k++) {
    s.select = wrong[k];
    s.select.size = sizeof s.select;
    assert_int_equal(forward(&x, &s, NULL), MPT_BAD_USAGE);
    assert_int_equal(backward(&x, &s, true, NULL, NULL), MPT_BAD_USAGE);
  }
  s.select = good;
  s.select.size = 3;
  assert_int_equal(forward(&x, &s, NULL), MPT_BAD_USAGE);
  s.select = good;
  assert_int_equal(backward(&x, &s, false, NULL, NULL), MPT_BAD_USAGE); /* neither a nor factors */
  s.factors.tau = NULL;
  assert_int_equal(forward(&x, &s, &s.factors), MPT_BAD_USAGE);
  s.factors = (mpt_factors){0};
  assert_int_equal(forward(&x, &s, &s.factors), MPT_BAD_USAGE);
  s.factors = whole;
  assert_int_equal(mpt_eigh_selected(x.type, 4, 2, NULL, &good, x.a, s.w, s.v, NULL, NULL,
                                     s.multiplet, s.report, NULL),
                   MPT_BAD_USAGE); /* a range needs found */
  unselect(&x, &s);
  release(&x);
  x = make(MPT_FLOAT64, 0, 3);
  s = select_of(&x, good);
  assert_int_equal(forward(&x, &s, &s.factors), MPT_DONE);
  assert_int_equal(backward(&x, &s, true, s.gv, NULL), MPT_DONE);
  unselect(&x, &s);
  release(&x);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(selections),     cmocka_unit_test(ranges),
      cmocka_unit_test(cut_multiplets), cmocka_unit_test(extreme_sizes),
      cmocka_unit_test(options_hold),   cmocka_unit_test(factors_name_their_engine),
      cmocka_unit_test(values_alone),   cmocka_unit_test(bad_arguments),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
