/* What a column-major caller gets (multiplet/eigh.h), read as Julia or Fortran would: element (i,
 * j) of matrix k is at i + j n + k n^2. portability/columns.f90 makes the same calls from
 * Fortran. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "memory_arrays.h"

enum { N = 9, COUNT_OF = 3, COLUMNS = 2 };
static const double bound = 1e-13;

static double _Complex at(const void *array, int64_t rows, int64_t k, int64_t i, int64_t j) {
  return ((const double _Complex *)array)[i + j * rows + k * rows * N];
}

/* Eigenvector j of matrix k: the conjugate of row j of v. */
static double _Complex vector(const arrays *x, int64_t k, int64_t i, int64_t j) {
  return conj(at(x->v, N, k, j, i));
}

/* Element (i, l) of sum_j x_j f_j x_j^H of matrix k. */
static double _Complex composed(const arrays *x, int64_t k, const double *f, int64_t i, int64_t l) {
  double _Complex sum = 0;
  for (int64_t j = 0; j < N; j++) sum += f[j] * vector(x, k, i, j) * conj(vector(x, k, l, j));
  return sum;
}

static void eigenvectors_are_conjugate_rows(void **state) {
  (void)state;
  arrays x = make(MPT_COMPLEX128, N, COUNT_OF);
  succeed(&x, FORWARD);
  for (int64_t k = 0; k < COUNT_OF; k++)
    for (int64_t j = 0; j < N; j++)
      for (int64_t i = 0; i < N; i++) {
        double _Complex residual = -((double *)x.w)[k * N + j] * vector(&x, k, i, j);
        for (int64_t l = 0; l < N; l++) residual += at(x.a, N, k, i, l) * vector(&x, k, l, j);
        assert_true(cabs(residual) < bound);
      }
  release(&x);
}

/* The library's lower triangle is the caller's upper one. */
static void triangles_change_places(void **state) {
  (void)state;
  arrays x = make(MPT_COMPLEX128, N, 1), y = make(MPT_COMPLEX128, N, 1);
  memcpy(y.a, x.a, matrices(&x));
  for (int64_t i = 0; i < N; i++)
    for (int64_t j = 0; j < i; j++) ((double _Complex *)y.a)[i + j * N] = NAN;
  y.options.triangle = MPT_TRIANGLE_LOWER;
  succeed(&x, FORWARD);
  succeed(&y, FORWARD);
  for (int64_t j = 0; j < N; j++)
    assert_true(fabs(((double *)x.w)[j] - ((double *)y.w)[j]) < bound);
  release(&x);
  release(&y);
}

/* Gradients pair with the caller's arrays element by element: dL = Re sum conj(g) dA. */
static void gradients_pair_element_by_element(void **state) {
  (void)state;
  arrays x = make(MPT_COMPLEX128, N, COUNT_OF);
  memset(x.gv, 0, matrices(&x));
  succeed(&x, FORWARD);
  succeed(&x, BACKWARD);
  for (int64_t k = 0; k < COUNT_OF; k++)
    for (int64_t i = 0; i < N; i++)
      for (int64_t l = 0; l < N; l++)
        assert_true(cabs(at(x.g, N, k, i, l) - composed(&x, k, (double *)x.gw + k * N, i, l)) <
                    bound);
  release(&x);
}

static void functions_are_as_they_are(void **state) {
  const mpt_function function = {.size = sizeof function, .kind = MPT_FUNCTION_TANH};
  double f[N];
  (void)state;
  arrays x = make(MPT_COMPLEX128, N, COUNT_OF);
  assert_int_equal(mpt_matrix_function(x.type, N, COUNT_OF, NULL, &function, x.a, x.g, x.w, x.v,
                                       x.multiplet, x.report, NULL),
                   MPT_DONE);
  for (int64_t k = 0; k < COUNT_OF; k++) {
    for (int64_t j = 0; j < N; j++) f[j] = tanh(((double *)x.w)[k * N + j]);
    for (int64_t i = 0; i < N; i++)
      for (int64_t l = 0; l < N; l++)
        assert_true(cabs(at(x.g, N, k, i, l) - composed(&x, k, f, i, l)) < bound);
  }
  release(&x);
}

/* The reference R is given as R^H, [columns, n], and the frame is returned as F^H. If R consists of
 * eigenvectors, F is R. */
static void frames_are_conjugate_transposes(void **state) {
  double _Complex reference[COLUMNS * N * COUNT_OF], value[COLUMNS * N * COUNT_OF];
  const mpt_frame_spec frame = {.size = sizeof frame,
                                .index = {0, COLUMNS},
                                .columns = COLUMNS,
                                .reference = reference,
                                .each = 1};
  (void)state;
  arrays x = make(MPT_COMPLEX128, N, COUNT_OF);
  succeed(&x, FORWARD);
  for (int64_t k = 0; k < COUNT_OF; k++)
    for (int64_t c = 0; c < COLUMNS; c++)
      for (int64_t i = 0; i < N; i++)
        reference[c + i * COLUMNS + k * COLUMNS * N] =
            conj(vector(&x, k, i, c) * (c ? I : 1)); /* other phases than the solver's */
  assert_int_equal(mpt_frame(x.type, N, COUNT_OF, NULL, &frame, x.a, value, x.w, x.v, x.multiplet,
                             x.report, NULL),
                   MPT_DONE);
  for (int64_t e = 0; e < COLUMNS * N * COUNT_OF; e++)
    assert_true(cabs(value[e] - reference[e]) < bound);
  release(&x);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(eigenvectors_are_conjugate_rows),
      cmocka_unit_test(triangles_change_places),
      cmocka_unit_test(gradients_pair_element_by_element),
      cmocka_unit_test(functions_are_as_they_are),
      cmocka_unit_test(frames_are_conjugate_transposes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
