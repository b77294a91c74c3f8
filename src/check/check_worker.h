/* Included once per scalar type by check_panel.c. All arrays are row-major, that is to BLAS the
 * transposes. */
#include "engine/blas.h"

/* A *= s; the diagonal's sum and the squared Frobenius norm are added up. */
static void NAME(scale_rows)(int64_t row0, int64_t rows, int64_t n, double s, void *slab,
                             double *trace, double *square) {
  Scalar *a = slab;
  for (int64_t i = 0; i < rows * n; i++) {
    a[i] *= (Real)s;
    *square += ABS2(a[i]);
  }
  for (int64_t i = 0; i < rows; i++) *trace += RE(a[i * n + row0 + i]);
}

/* Adds the squared columns of A_R V_J - V_RJ diag(w) to sums[width]. */
static void NAME(add_residual)(const mpt_block *b, const double *w, void *work, double *sums) {
  const Scalar one = 1, zero = 0, *vj = b->vj;
  const int n = (int)b->n, rows = (int)b->rows, width = (int)b->width;
  Scalar *d = work;
  BLAS(gemm)("N", "N", &width, &rows, &n, &one, vj, &width, b->a, &n, &zero, d, &width, 1, 1);
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < width; j++) {
      Scalar r = d[i * width + j] - (Real)w[j] * vj[(b->row0 + i) * width + j];
      sums[j] += ABS2(r);
    }
}

/* Adds V_R^H V_RJ to the columns x width product. */
static void NAME(add_product)(const mpt_block *b, void *product) {
  const Scalar one = 1, *vj = b->vj;
  const int columns = (int)b->columns, rows = (int)b->rows, width = (int)b->width;
  BLAS(gemm)
  ("N", "C", &width, &columns, &rows, &one, vj + b->row0 * width, &width, b->vr, &columns, &one,
   product, &width, 1, 1);
}

/* Squared columns of the product minus the unit columns from col0. */
static void NAME(add_distance)(const mpt_block *b, int64_t col0, void *product, double *sums) {
  Scalar *o = product;
  for (int64_t j = 0; j < b->width; j++) o[(col0 + j) * b->width + j] -= 1;
  for (int64_t i = 0; i < b->columns; i++)
    for (int64_t j = 0; j < b->width; j++) sums[j] += ABS2(o[i * b->width + j]);
}
