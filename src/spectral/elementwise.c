/* Scans, transposes and norms of slabs, by scalar type (spectral.h). */
#include "spectral/spectral.h"

#include "base/scalar.h"

#define WORKER "spectral/elementwise_worker.h"
#include "base/for_each_type.h"

mpt_scan mpt_scan_slab(mpt_type type, int64_t row0, int64_t rows, int64_t cols, const void *a,
                       mpt_triangle triangle) {
  static mpt_scan (*const table[])(int64_t, int64_t, int64_t, const void *, mpt_triangle) =
      WORKER_TABLE(scan_slab);
  return table[type](row0, rows, cols, a, triangle);
}

bool mpt_all_finite(mpt_type type, int64_t count, const void *a) {
  return mpt_scan_slab(type, 0, 1, count, a, MPT_TRIANGLE_FULL).finite;
}

double mpt_hermitian_defect(mpt_type type, const mpt_facing *blocks) {
  static double (*const table[])(const mpt_facing *) = WORKER_TABLE(hermitian_defect);
  return table[type](blocks);
}

void mpt_conjugate_transpose(mpt_type type, const mpt_facing *blocks) {
  static void (*const table[])(const mpt_facing *) = WORKER_TABLE(conjugate_transpose);
  table[type](blocks);
}

void mpt_average(mpt_type type, const mpt_facing *blocks) {
  static void (*const table[])(const mpt_facing *) = WORKER_TABLE(average);
  table[type](blocks);
}

void mpt_mirror_block(mpt_type type, int64_t n, void *a, int64_t lda, mpt_triangle from) {
  static void (*const table[])(int64_t, void *, int64_t, mpt_triangle) = WORKER_TABLE(mirror);
  table[type](n, a, lda, from);
}

void mpt_conjugate(mpt_type type, int64_t count, void *a) {
  static void (*const table[])(int64_t, void *) = WORKER_TABLE(conjugate);
  if (mpt_type_is_complex(type)) table[type](count, a);
}

void mpt_add_column_norms(mpt_type type, int64_t rows, int64_t cols, const void *a, int exponent,
                          double *norm2) {
  static void (*const table[])(int64_t, int64_t, const void *, int, double *) =
      WORKER_TABLE(add_column_norms);
  table[type](rows, cols, a, exponent, norm2);
}

void mpt_reals_to_double(mpt_type type, int64_t count, const void *reals, double *out) {
  static void (*const table[])(int64_t, const void *, double *) = WORKER_TABLE(reals_to_double);
  table[type](count, reals, out);
}

double mpt_equal_components(mpt_type type, int64_t n) {
  return (8 * (double)n + 1000) * mpt_type_epsilon(type);
}

double mpt_largest_component2(mpt_type type, int64_t rows, const void *u) {
  static double (*const table[])(int64_t, const void *) = WORKER_TABLE(largest_component2);
  return table[type](rows, u);
}

int64_t mpt_first_component(mpt_type type, int64_t rows, const void *u, double threshold2) {
  static int64_t (*const table[])(int64_t, const void *, double) = WORKER_TABLE(first_component);
  return table[type](rows, u, threshold2);
}

void mpt_turn_column(mpt_type type, int64_t rows, void *u, const double pivot[2], int64_t at) {
  static void (*const table[])(int64_t, void *, const double *, int64_t) =
      WORKER_TABLE(turn_column);
  table[type](rows, u, pivot, at);
}

void mpt_get_element(mpt_type type, const void *u, int64_t i, double out[2]) {
  static void (*const table[])(const void *, int64_t, double *) = WORKER_TABLE(get_element);
  table[type](u, i, out);
}

void mpt_fix_phases(mpt_type type, int64_t rows, int64_t cols, void *u) {
  double equal = 1 - mpt_equal_components(type, rows);
  for (int64_t j = 0; j < cols; j++) {
    char *column = (char *)u + (size_t)(j * rows) * mpt_type_size(type);
    double largest2 = mpt_largest_component2(type, rows, column), pivot[2];
    int64_t at = mpt_first_component(type, rows, column, largest2 * equal * equal);
    if (at < 0) continue;
    mpt_get_element(type, column, at, pivot);
    mpt_turn_column(type, rows, column, pivot, at);
  }
}

double mpt_scale_of(double largest) {
  const int most = 1000, exponent = largest > 0 ? ilogb(largest) : 0;
  return ldexp(1, -(exponent > most ? most : exponent < -most ? -most : exponent));
}

double mpt_extreme_scale(mpt_type type, double largest) {
  const bool single = mpt_real_size(type) == 4;
  const double limit = single ? 1e12 : 1e100;
  if (largest == 0 || (largest < limit && largest > 1 / limit)) return 1;
  const int e = ilogb(largest), most = single ? 120 : 1000;
  return ldexp(1, e > most ? -most : e < -most ? most : -e);
}
