/* Tridiagonal equations at an eigenvalue, compared with closed forms. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>
#include "spectral/tridiagonal.h"

enum { N = 50 };
static double memory[MPT_TRIDIAGONAL_MEMORY * N];

/* T is diagonal: components within the blur are excluded, others are correct to (blur / gap)^4. */
static void diagonal(void **state) {
  (void)state;
  const double d[6] = {0, 1e-12, 1, -2, 0, 1e-3}, e[5] = {0}, blur = 1e-4;
  double y[6] = {1, 1, 1, 1, -1, 1};
  mpt_solve_tridiagonal(6, d, e, 0, blur, 1, y, memory);
  const double expected[6] = {0, 0, -1, 0.5, 0, -1e3};
  for (int i = 0; i < 6; i++) {
    const double limit = d[i] * d[i] > blur * blur ? pow(blur / d[i], 4) + 1e-15 : 1e-3;
    assert_true(fabs(y[i] - expected[i]) <= 1.01 * limit * fmax(1, fabs(expected[i])));
  }
}

static double sine(int i, int k) {
  return sin((i + 1) * k * acos(-1) / (N + 1)) * sqrt(2.0 / (N + 1));
}

static double component(double (*x)[2], int part, int k) {
  double sum = 0;
  for (int i = 0; i < N; i++) sum += sine(i, k) * x[i][part];
  return sum;
}

static double eigenvalue(int k) {
  return 2 - 2 * cos(k * acos(-1) / (N + 1));
}

/* c without its component k, up to rounding, as callers give it. */
static void fill(double (*c)[2], int k) {
  for (int i = 0; i < N; i++) c[i][0] = cos(i * i), c[i][1] = sin(3 * i);
  for (int part = 0; part < 2; part++) {
    const double along = component(c, part, k);
    for (int i = 0; i < N; i++) c[i][part] -= along * sine(i, k);
  }
}

/* The chain with elements 2, -1 has sines as eigenvectors; Re and Im are separate. */
static void chain(void **state) {
  (void)state;
  double d[N], e[N - 1], c[N][2], y[N][2];
  for (int i = 0; i < N; i++) d[i] = 2;
  for (int i = 0; i + 1 < N; i++) e[i] = -1;
  for (int k = 1; k <= N; k += 7) {
    fill(c, k);
    fill(y, k);
    mpt_solve_tridiagonal(N, d, e, eigenvalue(k), 100 * 2.2e-16 * 4, 2, &y[0][0], memory);
    for (int part = 0; part < 2; part++) {
      double error2 = 0, size2 = 0;
      for (int l = 1; l <= N; l++) {
        if (l == k) continue;
        const double exact = -component(c, part, l) / (eigenvalue(l) - eigenvalue(k));
        error2 += pow(component(y, part, l) - exact, 2);
        size2 += exact * exact;
      }
      assert_true(sqrt(error2 / size2) < 1e-12);
      assert_true(fabs(component(y, part, k)) < sqrt(size2)); /* to be projected out */
    }
  }
}

static void nothing_and_one(void **state) {
  (void)state;
  double d = 3, y = 6;
  mpt_solve_tridiagonal(0, NULL, NULL, 0, 1e-10, 1, NULL, memory);
  mpt_solve_tridiagonal(1, &d, NULL, 1, 1e-10, 1, &y, memory);
  assert_true(fabs(y + 3) < 1e-14);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(diagonal),
      cmocka_unit_test(chain),
      cmocka_unit_test(nothing_and_one),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
