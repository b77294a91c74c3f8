/* Scans, mirrors, transposes and phases of stored matrices, for all four types. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <complex.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "spectral/spectral.h"
#include "base/scalar.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
typedef long double _Complex wide;
enum { N = 39, LD = 43 }; /* more than one block of 32 */

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

static void on_types(void (*test)(mpt_type type)) {
  for (int type = 0; type < MPT_TYPE_COUNT; type++) test((mpt_type)type);
}

/* A number that is different in each place, with an imaginary part if the type has one; exact in
 * float. */
static wide element(int64_t i, int64_t j) {
  return (long double)(i * 64 + j) + I * (long double)(j * 64 - i + 1);
}

static void fill(mpt_type type, int64_t rows, int64_t cols, int64_t ld, void *a) {
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < cols; j++) put(type, a, i * ld + j, element(i, j));
}

/* NaN and infinities in every position of a slab that is rows 2 to 4 of a 7 x 7 matrix. */
static void scan(mpt_type type) {
  enum { ROW0 = 2, ROWS = 3, COLS = 7 };
  const long double bad[] = {NAN, INFINITY, -INFINITY};
  char a[ROWS * COLS * 16];
  for (int triangle = MPT_TRIANGLE_FULL; triangle <= MPT_TRIANGLE_UPPER; triangle++)
    for (int at = 0; at < ROWS * COLS; at++)
      for (int k = 0; k < 6; k++) {
        int row = ROW0 + at / COLS, column = at % COLS;
        bool read = triangle == MPT_TRIANGLE_FULL ||
                    (triangle == MPT_TRIANGLE_LOWER ? column <= row : column >= row);
        bool imaginary = k >= 3 && mpt_type_is_complex(type);
        fill(type, ROWS, COLS, COLS, a);
        put(type, a, at, imaginary ? CMPLXL(0, bad[k % 3]) : bad[k % 3]);
        mpt_scan s = mpt_scan_slab(type, ROW0, ROWS, COLS, a, (mpt_triangle)triangle);
        assert_int_equal(s.finite, !read);
        assert_int_equal(mpt_all_finite(type, ROWS * COLS, a), false);
        put(type, a, at, imaginary ? CMPLXL(0, -9000) : -9000);
        s = mpt_scan_slab(type, ROW0, ROWS, COLS, a, (mpt_triangle)triangle);
        assert_true(s.finite && (s.largest == 9000) == read);
      }
}

static void scan_sees_what_is_read(void **state) {
  (void)state;
  on_types(scan);
  mpt_scan s = mpt_scan_slab(MPT_FLOAT64, 0, 0, 5, NULL, MPT_TRIANGLE_FULL);
  assert_true(s.finite && s.largest == 0);
}

static void mirror(mpt_type type) {
  char *a = malloc(N * LD * 16);
  for (int from = MPT_TRIANGLE_FULL; from <= MPT_TRIANGLE_UPPER; from++) {
    fill(type, N, LD, LD, a);
    mpt_mirror_block(type, N, a, LD, (mpt_triangle)from);
    for (int64_t i = 0; i < N; i++)
      for (int64_t j = 0; j < LD; j++) {
        bool other = from == MPT_TRIANGLE_LOWER ? j > i : j < i;
        wide x = other && from && j < N ? conjl(element(j, i)) : element(i, j);
        if (i == j || !mpt_type_is_complex(type)) x = creall(x);
        assert_true(get(type, a, i * LD + j) == x);
      }
  }
  free(a);
}

static void mirrored_triangles(void **state) {
  (void)state;
  on_types(mirror);
}

static void transpose(mpt_type type) {
  enum { ROWS = 35, COLS = 34 };
  char *a = malloc(ROWS * LD * 16), *b = malloc(COLS * LD * 16);
  fill(type, COLS, ROWS, LD, b);
  for (int64_t i = 0; i < ROWS * LD; i++) put(type, a, i, -1);
  mpt_facing f = {ROWS, COLS, a, LD, b, LD};
  mpt_conjugate_transpose(type, &f);
  for (int64_t i = 0; i < ROWS; i++)
    for (int64_t j = 0; j < LD; j++) {
      wide x = j < COLS ? conjl(element(j, i)) : -1;
      assert_true(get(type, a, i * LD + j) == (mpt_type_is_complex(type) ? x : creall(x)));
    }
  assert_true(mpt_hermitian_defect(type, &f) == 0);
  for (int64_t at = 0; at < ROWS * COLS; at += 3) { /* a defect in any place is seen */
    int64_t i = at / COLS * LD + at % COLS;
    wide kept = get(type, a, i);
    put(type, a, i, mpt_type_is_complex(type) ? kept - 0.5L * I : kept + 0.5L);
    assert_true(mpt_hermitian_defect(type, &f) == 0.5);
    put(type, a, i, kept);
  }
  free(a);
  free(b);
}

static void conjugate_transposes(void **state) {
  (void)state;
  on_types(transpose);
}

static void norms_and_conversions(mpt_type type) {
  char a[5 * 7 * 16];
  double norm2[7], sums[7];
  fill(type, 5, 7, 7, a);
  for (int j = 0; j < 7; j++) {
    norm2[j] = sums[j] = j;
    for (int i = 0; i < 5; i++) {
      wide x = get(type, a, i * 7 + j);
      sums[j] += (double)(creall(x) * creall(x) + cimagl(x) * cimagl(x));
    }
  }
  mpt_add_column_norms(type, 5, 7, a, 0, norm2);
  for (int j = 0; j < 7; j++) assert_true(norm2[j] == sums[j]);
  mpt_conjugate(type, 35, a);
  for (int i = 0; i < 35; i++) {
    wide x = conjl(element(i / 7, i % 7));
    assert_true(get(type, a, i) == (mpt_type_is_complex(type) ? x : creall(x)));
  }
  float singles[7];
  double back[7];
  for (int j = 0; j < 7; j++) singles[j] = (float)sums[j];
  mpt_reals_to_double(type, 7, mpt_real_size(type) == 4 ? (void *)singles : (void *)sums, back);
  for (int j = 0; j < 7; j++)
    assert_true(back[j] == (mpt_real_size(type) == 4 ? (double)(float)sums[j] : sums[j]));
}

static void columns(void **state) {
  (void)state;
  on_types(norms_and_conversions);
}

/* Columns of four elements before and after normalization by conj(pivot)/|pivot|. */
static void phases(mpt_type type) {
  const wide i = mpt_type_is_complex(type) ? I : 1;
  const long double h = sqrtl(0.5L), near = 1 - 100 * mpt_type_epsilon(type);
  const struct {
    wide u[4];
    int pivot;
  } cases[] = {
      {{0.5L, 0.5L, 0.5L, 0.5L}, 0},
      {{-0.5L, 0.5L, 0.5L, 0.5L}, 0},
      {{0.1L, -h, h, 0.1L * i}, 1},
      {{0.6L * i, -0.8L * i, 0, 0}, 1},
      {{0, 0, 0, -1}, 3},
      {{h * near * i, -h, 0, 0}, 0}, /* equal within rounding: the first */
      {{0.7L * h * i, -h, 0, 0}, 1}, /* not equal */
      {{(3 - 4 * i) / 10, 0.05L, 0, 0}, 0},
  };
  char u[COUNT(cases) * 4 * 16];
  for (size_t k = 0; k < COUNT(cases); k++)
    for (int r = 0; r < 4; r++) put(type, u, (int64_t)k * 4 + r, cases[k].u[r]);
  mpt_fix_phases(type, 4, COUNT(cases), u);
  for (size_t k = 0; k < COUNT(cases); k++) {
    wide pivot = cases[k].u[cases[k].pivot], found = get(type, u, (int64_t)k * 4 + cases[k].pivot);
    assert_true(cimagl(found) == 0 && creall(found) > 0);
    for (int r = 0; r < 4; r++) {
      wide x = cases[k].u[r] * conjl(pivot) / cabsl(pivot);
      assert_true(cabsl(get(type, u, (int64_t)k * 4 + r) - x) < 4 * mpt_type_epsilon(type));
    }
  }
}

static void phase_convention(void **state) {
  (void)state;
  on_types(phases);
  double zero[3] = {0};
  mpt_fix_phases(MPT_FLOAT64, 3, 1, zero);
  assert_true(zero[0] == 0 && zero[1] == 0 && zero[2] == 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(scan_sees_what_is_read), cmocka_unit_test(mirrored_triangles),
      cmocka_unit_test(conjugate_transposes),   cmocka_unit_test(columns),
      cmocka_unit_test(phase_convention),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
