/* The calls on arrays in memory compared with closed forms, for all four types. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "memory_arrays.h"

static void assert_all_ok(const arrays *x) {
  for (int64_t k = 0; k < x->count; k++) assert_int_equal(x->report[k].status, MPT_STATUS_OK);
}

/* Matrix k is (k + 1) times the first, so its eigenvalues are, too. Checks A v = w v in the
 * documented orientation. */
static void expect_multiples(arrays *x, const long double *w, const int32_t *multiplet) {
  const int64_t n = x->n, n2 = n * n;
  const double tolerance = 20 * (double)n * mpt_type_epsilon(x->type);
  for (int64_t i = n2; i < x->count * n2; i++)
    put(x->type, x->a, i, get(x->type, x->a, i % n2) * (i / n2 + 1));
  succeed(x, FORWARD);
  assert_all_ok(x);
  for (int64_t i = 0; i < x->count * n; i++) {
    const int64_t k = i / n, j = i % n;
    const long double scale = k + 1, bound = tolerance * scale * fabsl(w[n - 1]);
    assert_true(fabsl(creall(get(real_of(x->type), x->w, i)) - scale * w[j]) < bound);
    assert_int_equal(x->multiplet[i], multiplet[j]);
    for (int64_t r = 0; r < n; r++) {
      wide sum = -scale * w[j] * get(x->type, x->v, k * n2 + r * n + j);
      for (int64_t c = 0; c < n; c++)
        sum += get(x->type, x->a, k * n2 + r * n + c) * get(x->type, x->v, k * n2 + c * n + j);
      assert_true(cabsl(sum) < bound);
    }
  }
}

/* Twice J_y of a spin (J_x for real types): -(n-1), -(n-3), ..., n-1. */
static void spin(mpt_type type) {
  enum { N = 7 };
  long double w[N];
  int32_t multiplet[N];
  arrays x = make(type, N, 90);
  memset(x.a, 0, matrices(&x));
  for (int m = 0; m < N; m++) {
    w[m] = 2 * m - (N - 1);
    multiplet[m] = m;
    const wide element = sqrtl((m + 1) * (N - 1 - m)) * (mpt_type_is_complex(type) ? I : (wide)1);
    if (m + 1 < N) put(type, x.a, m * N + m + 1, element);
    if (m + 1 < N) put(type, x.a, (m + 1) * N + m, conjl(element));
  }
  expect_multiples(&x, w, multiplet);
  release(&x);
}

/* The Laplacian of a cube of dimension D: eigenvalues 2 k, each (D choose k) times. */
static void hypercube(mpt_type type) {
  enum { D = 4, N = 1 << D };
  static const int times[D + 1] = {1, 4, 6, 4, 1};
  long double w[N];
  int32_t multiplet[N];
  arrays x = make(type, N, 40);
  memset(x.a, 0, matrices(&x));
  for (int i = 0; i < N; i++) {
    put(type, x.a, i * N + i, D);
    for (int d = 0; d < D; d++) put(type, x.a, i * N + (i ^ 1 << d), -1);
  }
  for (int k = 0, j = 0; k <= D; k++)
    for (int i = 0; i < times[k]; i++, j++) {
      w[j] = 2 * k;
      multiplet[j] = k;
    }
  expect_multiples(&x, w, multiplet);
  release(&x);
}

static void closed_forms(void **state) {
  (void)state;
  on_types(spin);
  on_types(hypercube);
}

enum { P = 5 }; /* of the projector's matrices */
static const long double pair_spectrum[P] = {-2, 1, 1, 2.5L, 4};

/* f(A), with f's values on the spectrum above; the eigenvectors are the columns of the reflector 1
 * - 2 u u^H / u^H u. */
static void reflected(const wide *u, const long double *f, wide out[P][P]) {
  long double norm2 = 0;
  for (int i = 0; i < P; i++) norm2 += creall(u[i] * conjl(u[i]));
  for (int r = 0; r < P; r++)
    for (int c = 0; c < P; c++) {
      out[r][c] = 0;
      for (int j = 0; j < P; j++)
        out[r][c] += f[j] * ((r == j) - 2 * u[r] * conjl(u[j]) / norm2) *
                     ((c == j) - 2 * conjl(u[c]) * u[j] / norm2);
    }
}

/* L = tr(C P), P the projector on the pair. With R = sum of the others' projectors / (1 - w), dP =
 * R dA P + P dA R, hence G = R C P + P C R. The call gets gV = 2 C V on the pair. */
static void projector_loss(mpt_type type) {
  static const long double pair[P] = {0, 1, 1, 0, 0}, rest[P] = {1 / 3.L, 0, 0, -2 / 3.L, -1 / 3.L};
  const int64_t count = 70, n2 = P * P;
  arrays x = make(type, P, count), c = make(type, P, count); /* c.a: C */
  wide *u = calloc((size_t)(count * P), sizeof *u);
  memset(x.gw, 0, values(&x));
  for (int64_t k = 0; k < count; k++) {
    wide a[P][P];
    for (int i = 0; i < P; i++) u[k * P + i] = random_element(type);
    reflected(u + k * P, pair_spectrum, a);
    for (int i = 0; i < n2; i++) put(type, x.a, k * n2 + i, a[i / P][i % P]);
  }
  succeed(&x, FORWARD);
  for (int64_t i = 0; i < count * n2; i++) {
    wide sum = 0;
    for (int j = 0; j < P; j++)
      sum += 2 * get(type, c.a, i / P * P + j) * get(type, x.v, i / n2 * n2 + j * P + i % P);
    put(type, x.gv, i, i % P == 1 || i % P == 2 ? sum : 0);
  }
  for (pass which = BACKWARD; which <= BOTH; which++) {
    succeed(&x, which);
    assert_all_ok(&x);
    for (int64_t k = 0; k < count; k++) {
      wide p[P][P], r[P][P];
      reflected(u + k * P, pair, p);
      reflected(u + k * P, rest, r);
      for (int i = 0; i < n2; i++) {
        wide g = 0;
        for (int s = 0; s < n2; s++)
          g += get(type, c.a, k * n2 + s) *
               (r[i / P][s / P] * p[s % P][i % P] + p[i / P][s / P] * r[s % P][i % P]);
        assert_true(cabsl(get(type, x.g, k * n2 + i) - g) < 200 * mpt_type_epsilon(type));
      }
    }
  }
  free(u);
  release(&x);
  release(&c);
}

static void projector_on_a_pair(void **state) {
  (void)state;
  on_types(projector_loss);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(closed_forms),
      cmocka_unit_test(projector_on_a_pair),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
