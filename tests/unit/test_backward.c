/* The elementwise step of the backward pass, for all four types, compared with its formulas in long
 * double. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <complex.h>
#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "spectral/backward.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
typedef long double _Complex wide;
enum { M = 37 }; /* more than one block of 32 */

static void put(mpt_type type, void *to, int64_t i, wide x) {
  if (type == MPT_FLOAT32) ((float *)to)[i] = (float)creall(x);
  if (type == MPT_FLOAT64) ((double *)to)[i] = (double)creall(x);
  if (type == MPT_COMPLEX64) ((float _Complex *)to)[i] = (float _Complex)x;
  if (type == MPT_COMPLEX128) ((double _Complex *)to)[i] = (double _Complex)x;
}

static wide get(mpt_type type, const void *from, int64_t i) {
  if (type == MPT_FLOAT32) return ((const float *)from)[i];
  if (type == MPT_FLOAT64) return ((const double *)from)[i];
  if (type == MPT_COMPLEX64) return ((const float _Complex *)from)[i];
  return ((const double _Complex *)from)[i];
}

static uint64_t seed = 1;

static long double uniform(void) {
  seed = seed * 6364136223846793005u + 1442695040888963407u;
  return (long double)(int64_t)(seed >> 11) * 0x1p-52L - 1;
}

static void fill_random(mpt_type type, int64_t count, void *to) {
  for (int64_t i = 0; i < count; i++) put(type, to, i, uniform() + I * uniform());
}

static void on_types(void (*test)(mpt_type type)) {
  for (int type = 0; type < MPT_TYPE_COUNT; type++) test((mpt_type)type);
}

/* A rule for m eigenpairs of a matrix with 2-norm `norm`; cotangents are not scaled. */
static mpt_rule rule_of(mpt_type type, int64_t m, const double *w, const int32_t *id, double *gw,
                        const double *gv_norm, double norm, double *memory) {
  mpt_rule r = {.type = type, .n = m, .m = m, .w = w, .multiplet = id, .norm = norm, .gw = gw};
  double values = 0, vectors = 0;
  r.gv_norm = gv_norm;
  r.cotangent_epsilon = mpt_type_epsilon(type);
  for (int64_t j = 0; j < m; j++) {
    values = fmax(values, fabs(gw[j]));
    vectors = fmax(vectors, gv_norm[j]);
  }
  mpt_rule_open(&r, values, vectors, INT_MIN / 4, memory);
  return r;
}

/* A spectrum with multiplets of 1, 2 and 3, eigenvalue cotangents that are equal inside each, and
 * the other inputs of the rule. */
typedef struct fixture {
  double w[M], gw[M], gv_norm[M];
  int32_t id[M];
  double memory[MPT_RULE_ARRAYS * M];
  mpt_rule rule;
  char t[M * M * 16], th[M * M * 16];
} fixture;

static fixture *make(mpt_type type) {
  fixture *f = calloc(1, sizeof *f);
  for (int i = 0; i < M; i++) {
    f->id[i] = i / 6 * 3 + (i % 6 > 0) + (i % 6 > 2);
    f->w[i] = f->id[i] * 0.37 - 2;
    f->gw[i] = i && f->id[i] == f->id[i - 1] ? f->gw[i - 1] : (float)uniform();
    f->gv_norm[i] = 2 + (float)uniform();
  }
  f->rule = rule_of(type, M, f->w, f->id, f->gw, f->gv_norm, 3, f->memory);
  fill_random(type, M * M, f->t);
  double s[M];
  for (int i = 0; i < M; i++) s[i] = (double)creall(get(type, f->t, i * (M + 1)));
  mpt_rule_fit(&f->rule, s);
  for (int i = 0; i < M * M; i++) put(type, f->th, i, conjl(get(type, f->t, i % M * M + i / M)));
  return f;
}

/* X_ij = K_ij / (w_j - w_i) with K = (W - W^H)/2 and W = T^T: the transpose is stored. */
static wide expected(mpt_type type, const fixture *f, const void *t, int i, int j) {
  wide k = (get(type, t, j + i * M) - conjl(get(type, t, i + j * M))) / 2;
  if (i == j) return f->gw[i];
  return f->id[i] == f->id[j] ? 0 : k / ((long double)f->w[j] - f->w[i]);
}

static void formula(mpt_type type) {
  fixture *f = make(type);
  char *t = malloc(sizeof f->t);
  memcpy(t, f->t, sizeof f->t);
  mpt_tile tile = {0, 0, M, M, f->t, M, f->th, M, NULL};
  mpt_sums sums = {0};
  mpt_backward_tile(type, &f->rule, &tile, &sums);
  const long double unit = mpt_rule_unit(&f->rule), into = f->rule.gv_in[0] * f->rule.gv_in[1];
  long double x2 = 0, noise2 = 0, gauge = 0;
  for (int i = 0; i < M; i++)
    for (int j = 0; j < M; j++) {
      wide x = expected(type, f, t, i, j),
           k = get(type, t, j + i * M) - conjl(get(type, t, i + j * M));
      long double scale = f->gv_norm[i] + f->gv_norm[j];
      assert_true(cabsl(get(type, f->t, j + i * M) - x) <=
                  4 * mpt_type_epsilon(type) * (1 + cabsl(x)));
      x2 += cabsl(x * unit) * cabsl(x * unit);
      if (f->id[i] == f->id[j])
        gauge = fmaxl(gauge, cabsl(k) / scale);
      else
        noise2 += powl(f->rule.level * scale * into / 6 / (f->rule.place[j] - f->rule.place[i]), 2);
    }
  assert_true(fabsl(sums.x2 - x2) < 1e-5L * x2);
  assert_true(fabsl(sums.noise2 - noise2) < 1e-9L * noise2);
  assert_true(fabsl(sums.gauge - gauge) < 1e-5L * gauge);
  free(t);
  free(f);
}

static void formula_in_long_double(void **state) {
  (void)state;
  on_types(formula);
}

/* Tiles of every shape, each with its own leading dimensions, give the same result as the whole. */
static void tiled(mpt_type type) {
  static const int64_t edges[] = {0, 1, 8, 9, 30, M};
  size_t size = mpt_type_size(type);
  fixture *f = make(type);
  char *whole = malloc(sizeof f->t), *part = malloc(sizeof f->t), *parth = malloc(sizeof f->t);
  memcpy(whole, f->t, sizeof f->t);
  mpt_sums all = {0}, together = {0};
  mpt_backward_tile(type, &f->rule, &(mpt_tile){0, 0, M, M, whole, M, f->th, M, NULL}, &all);
  for (size_t a = 0; a + 1 < COUNT(edges); a++)
    for (size_t b = 0; b + 1 < COUNT(edges); b++) {
      const int64_t rows = edges[a + 1] - edges[a], cols = edges[b + 1] - edges[b], ld = rows + 2;
      for (int64_t i = 0; i < rows * cols; i++) {
        int64_t from = edges[a] + i % rows + (edges[b] + i / rows) * M;
        put(type, part, i % rows + i / rows * ld, get(type, f->t, from));
        put(type, parth, i, get(type, f->th, from));
      }
      mpt_tile tile = {edges[a], edges[b], rows, cols, part, ld, parth, rows, NULL};
      mpt_sums sums = {0};
      mpt_backward_tile(type, &f->rule, &tile, &sums);
      mpt_sums_add(&together, &sums);
      for (int64_t j = 0; j < cols; j++)
        assert_memory_equal(part + (size_t)(j * ld) * size,
                            whole + (size_t)(edges[a] + (edges[b] + j) * M) * size,
                            (size_t)rows * size);
    }
  assert_true(together.gauge == all.gauge && together.signal == all.signal);
  assert_true(together.violated == all.violated);
  assert_true(fabs(together.x2 - all.x2) < 1e-12 * all.x2);
  assert_true(fabs(together.noise2 - all.noise2) < 1e-12 * all.noise2);
  free(whole);
  free(part);
  free(parth);
  free(f);
}

static void tiles_equal_the_whole(void **state) {
  (void)state;
  on_types(tiled);
}

/* Two eigenvalues at a distance `gap` with K = k: X is kept whatever the gap is, and dropped below
 * the noise. */
static void signal_to_noise(mpt_type type) {
  const double epsilon = mpt_type_epsilon(type), noise = 8 * epsilon * sqrt(2);
  const struct {
    double gap, k;
    bool kept;
  } cases[] = {{1, 0.5, true},
               {1, 2 * noise, true},
               {1, 0.5 * noise, false},
               {1e-5, 0.5 * noise, false},
               {64 * epsilon, 0.5 * noise, false},
               {64 * epsilon, 64 * epsilon, true}, /* near-degenerate: K ~ gap means something */
               {1e-3, 1e-3, true}};
  for (size_t c = 0; c < COUNT(cases); c++) {
    double w[] = {1, 1 + cases[c].gap}, gw[] = {0, 0}, gv_norm[] = {1, 1}, t[8], th[8];
    const int32_t id[] = {0, 1};
    double memory[2 * MPT_RULE_ARRAYS];
    mpt_rule rule = rule_of(type, 2, w, id, gw, gv_norm, 1, memory);
    mpt_rule_fit(&rule, (double[]){0, 0});
    const long double k = cases[c].k, wt[] = {0.25L, k, -k, 0.25L}; /* K real: W antisymmetric */
    for (int i = 0; i < 4; i++) {
      put(type, t, i, i % 3 ? wt[i] : 0);
      put(type, th, i, i % 3 ? -wt[i] : 0);
    }
    mpt_sums sums = {0};
    mpt_backward_tile(type, &rule, &(mpt_tile){0, 0, 2, 2, t, 2, th, 2, NULL}, &sums);
    long double x = cases[c].kept ? -k / ((long double)w[1] - w[0]) : 0; /* column-major (1, 0) */
    x = -x;
    assert_true(cabsl(get(type, t, 1) - x) <= 4 * epsilon * fabsl(x));
    assert_true(cabsl(get(type, t, 2) - x) <= 4 * epsilon * fabsl(x)); /* X is Hermitian */
  }
}

static void below_the_noise(void **state) {
  (void)state;
  on_types(signal_to_noise);
}

/* The matrix of a question in a forum, in one basis of its lowest pair: loss sum(v_0), gv_0 = (1,
 * 1, 1, 1). */
static void forum(mpt_type type) {
  const long double p = 1.2039L, q = 0.3690L, w0 = sqrtl(p * p + q * q), r = w0 + p;
  const long double size = sqrtl(q * q + r * r);
  /* (q, 0, -r, 0)/size and (0, r, 0, -q)/size span the pair of -w0. */
  const long double v[2][4] = {{q / size, 0, -r / size, 0}, {0, r / size, 0, -q / size}};
  double w[] = {(double)-w0, (double)-w0, (double)w0, (double)w0}, gw[4] = {0};
  double gv_norm[] = {2, 0, 0, 0}, t[32] = {0}, th[32] = {0};
  const int32_t id[] = {0, 0, 1, 1};
  double memory[4 * MPT_RULE_ARRAYS];
  mpt_rule rule = rule_of(type, 4, w, id, gw, gv_norm, 2, memory);
  for (int j = 0; j < 2; j++) { /* T = W^T, W_j0 = v_j^H gv_0 = sum of v_j */
    long double sum = v[j][0] + v[j][1] + v[j][2] + v[j][3];
    put(type, t, j * 4, sum);
    put(type, th, j, sum);
  }
  mpt_rule_fit(&rule, (double[]){(double)creall(get(type, t, 0)), 0, 0, 0});
  mpt_sums sums = {0};
  mpt_backward_tile(type, &rule, &(mpt_tile){0, 0, 4, 4, t, 4, th, 4, NULL}, &sums);
  assert_true(fabs(sums.gauge - 0.42) < 0.005);
  for (int i = 0; i < 16; i++) assert_true(get(type, t, i) == 0);
  const mpt_finding found = mpt_find(&rule, &sums);
  assert_true(found.dependent && found.error == 1); /* nothing of these cotangents was kept */
}

static void gauge_violation(void **state) {
  (void)state;
  on_types(forum);
}

/* The phase of a complex vector is a gauge, too: Im(v^H gv) / |gv|. */
static void phase_gauge(void **state) {
  double _Complex t[] = {3 + 0.5 * I}, th[] = {3 - 0.5 * I};
  double w[] = {1}, gw[] = {7}, gv_norm[] = {5};
  const int32_t id[] = {0};
  double memory[MPT_RULE_ARRAYS];
  mpt_rule rule = rule_of(MPT_COMPLEX128, 1, w, id, gw, gv_norm, 1, memory);
  mpt_rule_fit(&rule, (double[]){3});
  mpt_sums sums = {0};
  (void)state;
  mpt_backward_tile(MPT_COMPLEX128, &rule, &(mpt_tile){0, 0, 1, 1, t, 1, th, 1, NULL}, &sums);
  assert_true(fabs(sums.gauge - 0.1) < 1e-15);
  assert_true(t[0] == 7);
}

/* Adds the cotangents of Re tr(C V f(w) V^H) in the eigenbasis, C random and Hermitian: W = 2 C f
 * on columns, gw = f' diag(C). Also the exact X = f[w_i, w_j] C for f = exp(a w). */
typedef struct composed {
  double w[3], gw[3], gv_norm[3], s[3], memory[3 * MPT_RULE_ARRAYS];
  char t[9 * 16], th[9 * 16];
  wide x[9], c[9];
} composed;

static void compose(mpt_type type, long double exponent, const double w[3], composed *p) {
  const bool turns = mpt_type_is_complex(type);
  for (int i = 0; i < 3; i++)
    for (int j = 0; j <= i; j++) {
      p->c[i * 3 + j] = uniform() + (i == j || !turns ? 0 : uniform() * I);
      p->c[j * 3 + i] = conjl(p->c[i * 3 + j]);
    }
  memcpy(p->w, w, sizeof p->w);
  for (int j = 0; j < 3; j++) {
    const long double f = expl(exponent * w[j]);
    long double norm2 = 0;
    p->gw[j] += (double)(exponent * f * creall(p->c[j * 4]));
    for (int i = 0; i < 3; i++) { /* W_ij = 2 C_ij f_j, and T = W^T */
      const wide wij = 2 * p->c[i * 3 + j] * f, sum = get(type, p->t, j + i * 3) + wij;
      put(type, p->t, j + i * 3, sum);
      put(type, p->th, i + j * 3, conjl(sum));
      norm2 += cabsl(sum) * cabsl(sum);
      const long double d = exponent * ((long double)w[i] - w[j]);
      p->x[i * 3 + j] += p->c[i * 3 + j] * f * exponent * (d == 0 ? 1 : expm1l(d) / d);
    }
    p->gv_norm[j] = (double)sqrtl(norm2);
    p->s[j] = (double)creall(get(type, p->t, j * 4));
  }
}

static mpt_finding step(mpt_type type, const int32_t id[3], composed *p, double *off) {
  mpt_rule rule = rule_of(type, 3, p->w, id, p->gw, p->gv_norm, 1, p->memory);
  mpt_sums sums = {0};
  mpt_rule_fit(&rule, p->s);
  mpt_backward_tile(type, &rule, &(mpt_tile){0, 0, 3, 3, p->t, 3, p->th, 3, NULL}, &sums);
  long double wrong = 0, size = 0;
  for (int i = 0; i < 3; i++)
    for (int j = 0; j < 3; j++) {
      wrong += powl(cabsl(get(type, p->t, j + i * 3) - p->x[i * 3 + j]), 2);
      size += powl(cabsl(p->x[i * 3 + j]), 2);
    }
  *off = (double)sqrtl(wrong / size);
  return mpt_find(&rule, &sums);
}

/* One rank would need three matrices of 16 n^2 bytes, and more: in 10 GiB, n = 8000 fits only when
 * spread. */
static void one_function(mpt_type type) {
  const double epsilon = mpt_type_epsilon(type);
  const int32_t equal[] = {0, 0, 0}, pair[] = {0, 0, 1}, apart[] = {0, 1, 2};
  composed p;
  double off;
  int taken = 0; /* two functions taken for one: they meet one real condition up to rounding */
  for (int repeat = 0; repeat < 200; repeat++) {
    memset(&p, 0, sizeof p);
    compose(type, 0.7L, (double[]){0.5, 0.5, 0.5}, &p);
    mpt_finding found = step(type, equal, &p, &off);
    assert_true(found.kind == MPT_RULE_FORM && !found.differ && !found.dependent);
    assert_true(off < 200 * epsilon && off <= 10 * found.error && found.error < 1e4 * epsilon);

    memset(&p, 0, sizeof p);
    for (int j = 0; j < 3; j++) p.gw[j] = creall(p.x[j * 4] = 0.3L);
    compose(type, 0.7L, (double[]){0.5, 0.5, 0.5}, &p);
    found = step(type, equal, &p, &off);
    assert_true(found.kind == MPT_RULE_FORM && !found.differ && off <= 10 * found.error);

    memset(&p, 0, sizeof p);
    compose(type, 0.7L, (double[]){0.5, 0.5, 0.9}, &p);
    compose(type, -1.1L, (double[]){0.5, 0.5, 0.9}, &p);
    found = step(type, pair, &p, &off);
    taken += found.kind != MPT_RULE_MEAN || !found.differ;

    for (double gap = 64 * epsilon; gap < 0.1; gap *= 8) {
      memset(&p, 0, sizeof p);
      compose(type, 0.7L, (double[]){0.5, 0.5 + gap, 0.9}, &p);
      found = step(type, apart, &p, &off);
      assert_true(!found.differ && !found.dependent && off <= 10 * found.error);
      assert_true(off < 40 * cbrt(epsilon) * cbrt(epsilon));
    }
  }
  assert_true(taken <= (mpt_real_size(type) == 4 ? 2 : 0));
}

static void the_form(void **state) {
  (void)state;
  on_types(one_function);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(formula_in_long_double),
      cmocka_unit_test(tiles_equal_the_whole),
      cmocka_unit_test(below_the_noise),
      cmocka_unit_test(gauge_violation),
      cmocka_unit_test(phase_gauge),
      cmocka_unit_test(the_form),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
