/* Second derivatives of matrix functions: the contraction with second divided differences by their
 * definition, in long double, and what the call says and refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include "failing_allocations.h"
#include "memory_arrays.h"

typedef long double real;

/* A function with its first two derivatives. */
typedef struct scalar {
  mpt_function of;
  real (*f)(real x), (*first)(real x), (*second)(real x);
} scalar;

static real exp_of(real x) {
  return expl(-x / 2);
}
static real exp_first(real x) {
  return -expl(-x / 2) / 2;
}
static real exp_second(real x) {
  return expl(-x / 2) / 4;
}
static real log_first(real x) {
  return 1 / x;
}
static real log_second(real x) {
  return -1 / (x * x);
}
static real power_of(real x) {
  return powl(x, 1.75L);
}
static real power_first(real x) {
  return 1.75L * powl(x, 0.75L);
}
static real power_second(real x) {
  return 1.75L * 0.75L * powl(x, -0.25L);
}
static real tanh_first(real x) {
  return 1 - tanhl(x) * tanhl(x);
}
static real tanh_second(real x) {
  return -2 * tanhl(x) * tanh_first(x);
}
static real minus_sin(real x) {
  return -sinl(x);
}
static real fermi_of(real x) {
  return 1 / (expl(2 * (x - 1.5L)) + 1);
}
static real fermi_first(real x) {
  return -2 * fermi_of(x) * (1 - fermi_of(x));
}
static real fermi_second(real x) {
  return -2 * fermi_first(x) * (1 - 2 * fermi_of(x));
}
static real gaussian_of(real x) {
  return erfcl(x - 1.5L) / 2;
}
static real gaussian_first(real x) {
  return -expl(-(x - 1.5L) * (x - 1.5L)) / sqrtl(acosl(-1));
}
static real gaussian_second(real x) {
  return -2 * (x - 1.5L) * gaussian_first(x);
}
static real xlogx_of(real x) {
  return x * logl(x);
}
static real xlogx_first(real x) {
  return logl(x) + 1;
}
static real softplus_of(real x) {
  return log1pl(expl(x));
}
static real softplus_first(real x) {
  return 1 / (1 + expl(-x));
}
static real softplus_second(real x) {
  return softplus_first(x) * (1 - softplus_first(x));
}
static real abs_first(real x) {
  return x < 0 ? -1 : 1;
}
static real none(real x) {
  (void)x;
  return 0;
}

#define KIND(name, ...)                                                                            \
  { .size = sizeof(mpt_function), .kind = MPT_FUNCTION_##name, __VA_ARGS__ }
static const scalar scalars[] = {
    {KIND(EXP, .scale = -0.5), exp_of, exp_first, exp_second},
    {KIND(LOG, .scale = 1), logl, log_first, log_second},
    {KIND(POWER, .exponent = 1.75), power_of, power_first, power_second},
    {KIND(TANH, .scale = 1), tanhl, tanh_first, tanh_second},
    {KIND(SIN, .scale = 1), sinl, cosl, minus_sin},
    {KIND(FERMI, .beta = 2, .mu = 1.5), fermi_of, fermi_first, fermi_second},
    {KIND(GAUSSIAN, .sigma = 1, .mu = 1.5), gaussian_of, gaussian_first, gaussian_second},
    {KIND(XLOGX, .scale = 1), xlogx_of, xlogx_first, log_first},
    {KIND(SOFTPLUS, .scale = 1), softplus_of, softplus_first, softplus_second},
    {KIND(ABS, .scale = 1), fabsl, abs_first, none},
};

static real first_of(const scalar *s, real x, real y) {
  return x == y ? s->first(x) : (s->f(x) - s->f(y)) / (x - y);
}

/* f[x, y, z], x <= y <= z. */
static real second_of(const scalar *s, real x, real y, real z) {
  return x == z ? s->second(x) / 2 : (first_of(s, y, z) - first_of(s, x, y)) / (z - x);
}

/* Coincident, near and wide triples; of the last, neither near nor far. */
enum { N = 7 };
static const double spectrum[N] = {0.5, 1, 1, 1, 1 + 0x1p-10, 1.0625, 2.5};

/* Random directions e (in x.gv) and c, vectors of a reflection, and the result s (in x.g). */
typedef struct problem {
  arrays x;
  void *e, *c, *s;
} problem;

static problem make_problem(mpt_type type, int64_t n, int64_t count, const double *w) {
  problem p = {.x = make(type, n, count)};
  p.e = p.x.gv;
  p.c = pages(matrices(&p.x));
  p.s = p.x.g;
  for (int64_t i = 0; i < count * n * n; i++) put(type, p.c, i, random_element(type));
  for (int64_t k = 0; k < count; k++) {
    wide u[64];
    real norm2 = 0;
    for (int64_t i = 0; i < n; i++) {
      u[i] = random_element(type);
      norm2 += creall(u[i] * conjl(u[i]));
      put(real_of(type), p.x.w, k * n + i, w ? w[i] : (real)i + (real)(k % 3));
    }
    for (int64_t i = 0; i < n * n; i++)
      put(type, p.x.v, k * n * n + i, (i / n == i % n) - 2 * u[i / n] * conjl(u[i % n]) / norm2);
  }
  return p;
}

static void release_problem(problem *p) {
  munmap(p->c, matrices(&p->x) + 1);
  release(&p->x);
}

static mpt_code second(const problem *p, const mpt_function *f, mpt_error *error) {
  const arrays *x = &p->x;
  return mpt_matrix_function_second(x->type, x->n, x->count, &x->options, f, x->w, x->v, p->e, p->c,
                                    p->s, x->multiplet, x->report, error);
}

/* A product of n x n matrices of long doubles; of their adjoints where asked for. */
static void multiply(int n, const wide *a, bool a_adjoint, const wide *b, bool b_adjoint,
                     wide *out) {
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++) {
      out[i * n + j] = 0;
      for (int k = 0; k < n; k++)
        out[i * n + j] += (a_adjoint ? conjl(a[k * n + i]) : a[i * n + k]) *
                          (b_adjoint ? conjl(b[j * n + k]) : b[k * n + j]);
    }
}

static void into_basis(const problem *p, const void *array, wide *out) {
  wide v[N * N], h[N * N], t[N * N];
  for (int i = 0; i < N * N; i++) {
    const int facing = i % N * N + i / N;
    v[i] = get(p->x.type, p->x.v, i);
    h[i] = (get(p->x.type, array, i) + conjl(get(p->x.type, array, facing))) / 2;
  }
  multiply(N, h, false, v, false, t);
  multiply(N, v, true, t, false, out);
}

/* Returns the largest entry of the reference, *error the largest difference from it. */
static real compare(const problem *p, const scalar *f, real *error) {
  wide e[N * N], c[N * N], s[N * N] = {0}, v[N * N], t[N * N];
  real w[N], largest = 0;
  into_basis(p, p->e, e);
  into_basis(p, p->c, c);
  for (int i = 0; i < N; i++) w[i] = creall(get(real_of(p->x.type), p->x.w, i));
  for (int i = 0; i < N; i++)
    for (int k = 0; k < N; k++)
      for (int j = 0; j < N; j++) {
        int x = i, y = k, z = j, swap;
        if (x > y) swap = x, x = y, y = swap;
        if (y > z) swap = y, y = z, z = swap;
        if (x > y) swap = x, x = y, y = swap;
        s[i * N + j] += second_of(f, w[x], w[y], w[z]) *
                        (e[i * N + k] * c[k * N + j] + c[i * N + k] * e[k * N + j]);
      }
  for (int i = 0; i < N * N; i++) v[i] = get(p->x.type, p->x.v, i);
  multiply(N, v, false, s, false, t);
  multiply(N, t, false, v, true, s);
  *error = 0;
  for (int i = 0; i < N * N; i++) {
    largest = fmaxl(largest, cabsl(s[i]));
    *error = fmaxl(*error, cabsl(get(p->x.type, p->s, i) - s[i]));
  }
  return largest;
}

/* In single precision too only the result is rounded. */
static void by_definition(mpt_type type) {
  for (size_t k = 0; k < COUNT(scalars); k++) {
    problem p = make_problem(type, N, 1, spectrum);
    for (int i = 0; i < N && scalars[k].of.kind == MPT_FUNCTION_ABS; i++)
      put(real_of(type), p.x.w, i, spectrum[i] - 1.03125);
    real error;
    assert_int_equal(second(&p, &scalars[k].of, NULL), MPT_DONE);
    assert_int_equal(p.x.report[0].status, MPT_STATUS_OK);
    const real largest = compare(&p, &scalars[k], &error);
    if (!(error <= (mpt_real_size(type) == 4 ? 0x1p-23 : 1e-12) * largest))
      fail_msg("%s, type %d: wrong by %.1Le", mpt_function_name(scalars[k].of.kind), type,
               error / largest);
    release_problem(&p);
  }
}

static void the_definition(void **state) {
  (void)state;
  on_types(by_definition);
}

/* At a fixed number of electrons, and elsewhere: differences of first derivatives. */
static void moves(const mpt_function *f) {
  const double step = 1e-4;
  problem p = make_problem(MPT_COMPLEX128, 6, 1, NULL);
  const arrays *x = &p.x;
  double _Complex *a = x->a, *c = p.c, g[2][36], moved[36], value[36];
  double worst = 0, largest = 0;
  for (int i = 0; i < 6; i++)
    for (int j = 0; j <= i; j++) {
      c[i * 6 + j] = (c[i * 6 + j] + conj(c[j * 6 + i])) / 2;
      c[j * 6 + i] = conj(c[i * 6 + j]);
    }
  for (int side = 0; side < 2; side++) {
    for (int i = 0; i < 36; i++) moved[i] = a[i] + (side ? step : -step) * c[i];
    assert_int_equal(mpt_matrix_function(x->type, 6, 1, NULL, f, moved, value, x->w, x->v,
                                         x->multiplet, x->report, NULL),
                     MPT_DONE);
    mpt_matrix_function_backward(x->type, 6, 1, NULL, f, NULL, x->w, x->v, p.e, g[side],
                                 x->multiplet, x->report, NULL);
  }
  mpt_matrix_function(x->type, 6, 1, NULL, f, a, value, x->w, x->v, x->multiplet, x->report, NULL);
  assert_int_equal(second(&p, f, NULL), MPT_DONE);
  for (int i = 0; i < 36; i++) {
    const double _Complex exact = (g[1][i] - g[0][i]) / (2 * step);
    worst = fmax(worst, cabs(((double _Complex *)p.s)[i] - exact));
    largest = fmax(largest, cabs(exact));
  }
  assert_true(worst < 1e-6 * largest && largest > 0.01);
  release_problem(&p);
}

static void first_derivatives_move_by_it(void **state) {
  (void)state;
  const mpt_function functions[] = {KIND(FERMI, .beta = 2, .electrons = 2.25),
                                    KIND(GAUSSIAN, .sigma = 0.75, .electrons = 2.25),
                                    KIND(METHFESSEL_PAXTON, .sigma = 0.75, .electrons = 2.25),
                                    KIND(COLD, .sigma = 0.75, .electrons = 2.25),
                                    KIND(COLD, .sigma = 0.75, .mu = 0.25),
                                    KIND(COS, .scale = -1)};
  for (size_t k = 0; k < COUNT(functions); k++) moves(&functions[k]);
}

static bool is_zero(const problem *p, int64_t k) {
  const int64_t n2 = p->x.n * p->x.n;
  bool zero = true;
  for (int64_t i = 0; i < n2; i++) zero &= get(p->x.type, p->s, k * n2 + i) == 0;
  return zero;
}

/* One matrix of three fails; the others are as they would be alone. */
static void one_of_three(const mpt_function *f, const double w[4], mpt_status expected) {
  problem p = make_problem(MPT_COMPLEX64, 4, 3, NULL);
  char alone[16 * sizeof(float _Complex)];
  for (int i = 0; i < 12; i++) put(MPT_FLOAT32, p.x.w, i, i % 4 + 1);
  p.x.count = 1;
  assert_int_equal(second(&p, f, NULL), MPT_DONE);
  memcpy(alone, p.s, sizeof alone);
  p.x.count = 3;
  for (int i = 0; w && i < 4; i++) put(MPT_FLOAT32, p.x.w, 4 + i, w[i]);
  if (!w) ((float *)p.c)[32 + 5] = NAN;
  assert_int_equal(second(&p, f, NULL), MPT_DONE);
  const mpt_status expect[3] = {MPT_STATUS_OK, expected, MPT_STATUS_OK};
  for (int k = 0; k < 3; k++) {
    assert_int_equal(p.x.report[k].status, expect[k]);
    assert_int_equal(is_zero(&p, k), k == 1 || f->kind == MPT_FUNCTION_ABS); /* straight there */
  }
  assert_memory_equal(alone, p.s, sizeof alone);
  release_problem(&p);
}

static void one_fails(void **state) {
  (void)state;
  const double negative[4] = {-1, 1, 2, 3}, zero[4] = {1e-7, 1, 2, 3}, falls[4] = {2, 1, 3, 4};
  const double equal[4] = {1, 2, 2, 3}, infinite[4] = {1, 2, 3, INFINITY}, two[4] = {1, 2, 3, 4};
  const double kink[4] = {-1e-7, 1, 2, 3}, near[4] = {-1e-3, 1, 2, 3}, large[4] = {1, 2, 3, 80};
  const mpt_function log_of = KIND(LOG, .scale = 1), abs_of = KIND(ABS, .scale = 1);
  const mpt_function clamp = KIND(CLAMP_MIN, .scale = 2, .minimum = 4.5);
  const mpt_function root = KIND(SQRT, .scale = 1), power = KIND(POWER, .exponent = 2.5);
  const mpt_function entropy = KIND(XLOGX, .scale = 1), square = KIND(POWER, .exponent = 3);
  const mpt_function half = KIND(PROJECTOR, .index = {0, 2}), growth = KIND(EXP, .scale = 1.5);
  const double at_minimum[4] = {1, 2.25, 3, 4};
  one_of_three(&log_of, negative, MPT_STATUS_FUNCTION_UNDEFINED);
  one_of_three(&root, zero, MPT_STATUS_FUNCTION_UNDEFINED);
  one_of_three(&power, zero, MPT_STATUS_FUNCTION_UNDEFINED);
  one_of_three(&entropy, zero, MPT_STATUS_FUNCTION_UNDEFINED);
  one_of_three(&abs_of, kink, MPT_STATUS_FUNCTION_UNDEFINED);
  one_of_three(&clamp, at_minimum, MPT_STATUS_FUNCTION_UNDEFINED);
  one_of_three(&half, equal, MPT_STATUS_SPLIT_MULTIPLET);
  one_of_three(&square, falls, MPT_STATUS_INTERNAL);
  one_of_three(&square, infinite, MPT_STATUS_INTERNAL);
  one_of_three(&square, NULL, MPT_STATUS_NONFINITE_COTANGENT);
  one_of_three(&growth, large, MPT_STATUS_NONFINITE_COTANGENT);
  problem p = make_problem(MPT_FLOAT32, 4, 1, near);
  assert_int_equal(second(&p, &abs_of, NULL), MPT_DONE);
  assert_int_equal(p.x.report[0].status, MPT_STATUS_OK);
  assert_false(is_zero(&p, 0));
  release_problem(&p);
  p = make_problem(MPT_FLOAT64, 4, 1, two);
  assert_int_equal(second(&p, &square, NULL), MPT_DONE);
  assert_true(fabs(p.x.report[0].min_gap - 0.25) < 1e-15 && p.x.report[0].seconds >= 0);
  release_problem(&p);
}

static void threads_do_not_matter(void **state) {
  (void)state;
  const mpt_function f = KIND(TANH, .scale = 0.5);
  for (int type = 0; type < MPT_TYPE_COUNT; type++) {
    problem p = make_problem((mpt_type)type, 9, 13, NULL);
    void *alone = malloc(matrices(&p.x));
    for (int threads = 0; threads < 6; threads++) {
      p.x.options.threads = threads;
      memset(p.s, 1, matrices(&p.x));
      assert_int_equal(second(&p, &f, NULL), MPT_DONE);
      if (!threads) memcpy(alone, p.s, matrices(&p.x));
      assert_memory_equal(alone, p.s, matrices(&p.x));
    }
    free(alone);
    release_problem(&p);
  }
}

/* E is conjugated, and C, and S. */
static void jax_conjugates(void **state) {
  (void)state;
  const mpt_function f = KIND(INVERSE, .scale = 1);
  const double w[5] = {1, 2, 2, 3, 5};
  problem p = make_problem(MPT_COMPLEX128, 5, 1, w);
  double _Complex plain[25], *e = p.e, *c = p.c, *s = p.s;
  assert_int_equal(second(&p, &f, NULL), MPT_DONE);
  memcpy(plain, s, sizeof plain);
  for (int i = 0; i < 25; i++) e[i] = conj(e[i]), c[i] = conj(c[i]);
  p.x.options.convention = MPT_CONVENTION_JAX;
  assert_int_equal(second(&p, &f, NULL), MPT_DONE);
  for (int i = 0; i < 25; i++) assert_true(s[i] == conj(plain[i]));
  release_problem(&p);
}

/* Neither large values of f beside zeros nor large and small directions overflow on the way. */
static void sizes_do_not_matter(void **state) {
  (void)state;
  const double w[3] = {0, 1, 700}, tail[3] = {0, 1, 2};
  const mpt_function f = KIND(EXP, .scale = 1),
                     cold = KIND(GAUSSIAN, .sigma = 0.03125, .mu = -0.75);
  problem p = make_problem(MPT_FLOAT64, 3, 1, w);
  double *e = p.e, *c = p.c, *s = p.s, *v = p.x.v;
  for (int i = 0; i < 9; i++) {
    v[i] = i % 4 == 0;
    if (i % 3 == 2 || i / 3 == 2) e[i] = c[i] = 0;
  }
  assert_int_equal(second(&p, &f, NULL), MPT_DONE);
  assert_int_equal(p.x.report[0].status, MPT_STATUS_OK);
  assert_true(fabs(s[0]) > 1e-3 && fabs(s[0]) < 10 && s[8] == 0);
  const double before = s[1];
  for (int i = 0; i < 9; i++) e[i] *= 0x1p600, c[i] *= 0x1p-700;
  assert_int_equal(second(&p, &f, NULL), MPT_DONE);
  assert_true(s[1] == before * 0x1p-100);
  memset(e, 0, 9 * sizeof *e);
  assert_int_equal(second(&p, &f, NULL), MPT_DONE);
  assert_int_equal(p.x.report[0].status, MPT_STATUS_OK);
  assert_true(is_zero(&p, 0));
  release_problem(&p);
  p = make_problem(MPT_FLOAT64, 3, 1,
                   tail); /* f'' = (2 u / sigma^2) exp(-u^2) / sqrt(pi), u = 24 */
  for (int i = 0; i < 9; i++)
    ((double *)p.x.v)[i] = ((double *)p.e)[i] = ((double *)p.c)[i] = i % 4 == 0;
  assert_int_equal(second(&p, &cold, NULL), MPT_DONE);
  const double expected = 2 * 24 * 1024 * exp(-576) / sqrt(acos(-1));
  assert_true(fabs(((double *)p.s)[0] / expected - 1) < 1e-12);
  release_problem(&p);
}

static void refuse(const problem *p, const mpt_function *f, const char *word) {
  mpt_error error = {0};
  assert_int_equal(second(p, f, &error), MPT_BAD_USAGE);
  if (!strstr(error.text, word)) fail_msg("%s: %s", word, error.text);
}

static void bad_arguments(void **state) {
  (void)state;
  const mpt_function f = KIND(SIN, .scale = 1), none_such = KIND(KINDS, .scale = 1);
  const mpt_function bad = KIND(PROJECTOR, .index = {0, 9}), sizeless = {.kind = MPT_FUNCTION_SIN};
  problem p = make_problem(MPT_FLOAT64, 3, 2, NULL);
  void **const pointers[] = {&p.x.w, &p.x.v, &p.e, &p.c, &p.s};
  for (size_t k = 0; k < COUNT(pointers); k++) {
    void *kept = *pointers[k];
    *pointers[k] = NULL;
    refuse(&p, &f, "a null array");
    *pointers[k] = kept;
  }
  refuse(&p, &none_such, "function");
  refuse(&p, &bad, "function");
  refuse(&p, &sizeless, "function.size");
  refuse(&p, NULL, "function.size");
  problem q = p;
  q.x.options.size = 3;
  refuse(&q, &f, "options.size");
  q = p;
  q.x.options.threads = -1;
  refuse(&q, &f, "threads");
  q = p;
  q.x.type = MPT_TYPE_COUNT;
  refuse(&q, &f, "type");
  q = p;
  q.x.n = -1;
  refuse(&q, &f, "n");
  q = p;
  q.x.count = 0;
  assert_int_equal(second(&q, &f, NULL), MPT_DONE);
  q = p;
  q.x.n = 0;
  assert_int_equal(second(&q, &f, NULL), MPT_DONE);
  assert_int_equal(p.x.report[1].status, MPT_STATUS_OK);
  release_problem(&p);
}

static void no_memory(void **state) {
  (void)state;
  const mpt_function f = KIND(SIN, .scale = 1);
  problem p = make_problem(MPT_FLOAT64, 3, 2, NULL);
  left = 0;
  const mpt_code code = second(&p, &f, NULL);
  left = -1;
  assert_int_equal(code, MPT_NO_RESOURCE);
  release_problem(&p);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_definition), cmocka_unit_test(first_derivatives_move_by_it),
      cmocka_unit_test(one_fails),      cmocka_unit_test(threads_do_not_matter),
      cmocka_unit_test(jax_conjugates), cmocka_unit_test(sizes_do_not_matter),
      cmocka_unit_test(bad_arguments),  cmocka_unit_test(no_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
