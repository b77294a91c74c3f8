/* Included once per scalar type by probe.c. Vectors are complex numbers in double precision,
 * [..][2]. A row of n elements is treated as `length` real numbers, n or 2 n of them. A real vector
 * that multiplies it repeats every entry once for each part of an element. */

enum { NAME(PARTS) = 1 + IS_COMPLEX, NAME(LANES) = 64 / sizeof(Real) };

typedef Real NAME(lanes) __attribute__((vector_size(64), aligned(sizeof(Real)), may_alias));

static void NAME(spread)(int64_t width, const double *y, void *spread) {
  Real *out = spread;
  for (int p = 0; p < NAME(PARTS); p++)
    for (int64_t j = 0; j < width; j++)
      for (int q = 0; q < NAME(PARTS); q++) *out++ = (Real)y[2 * j + p];
}

/* row . y, where the imaginary parts of y begin `apart` numbers after the real parts. */
VECTOR_CLONES
static void NAME(dot)(int64_t length, const Real *row, const Real *y, int64_t apart,
                      double out[2]) {
  enum { L = NAME(LANES), P = NAME(PARTS) };
  NAME(lanes) sums[2] = {{0}, {0}};
  double d[2][2] = {{0}, {0}};
  int64_t j = 0;
  for (; j + L <= length; j += L) {
    const NAME(lanes) v = *(const NAME(lanes) *)(row + j);
    for (int p = 0; p < P; p++) sums[p] += v * *(const NAME(lanes) *)(y + p * apart + j);
  }
  for (int p = 0; p < P; p++) {
    for (int l = 0; l < L; l++) d[p][l % P] += sums[p][l];
    for (int64_t k = j; k < length; k++) d[p][k % P] += (double)row[k] * y[p * apart + k];
  }
  out[0] = d[0][0] - d[1][1];
  out[1] = d[0][1] + d[1][0];
}

/* out_i = sum_j s_ij y_j over `width` columns. */
static void NAME(rows_times)(int64_t rows, int64_t width, const void *slab, const double *y,
                             void *spread, double *out) {
  const int64_t length = width * NAME(PARTS);
  const Real *s = slab;
  NAME(spread)(width, y, spread);
  for (int64_t i = 0; i < rows; i++) NAME(dot)(length, s + i * length, spread, length, out + 2 * i);
}

VECTOR_CLONES
static void NAME(axpy)(int64_t length, const Real *row, Real y, Real *sums) {
  for (int64_t j = 0; j < length; j++) sums[j] += row[j] * y;
}

/* out_j = sum_i conj(s_ij) u_i. */
static void NAME(adjoint_times)(int64_t rows, int64_t width, const void *slab, const double *u,
                                void *spread, double *out) {
  enum { P = NAME(PARTS), STRETCH = 8192 / sizeof(Real) };
  const int64_t length = width * P;
  const Real *s = slab;
  Real *sums = spread;
  memset(sums, 0, sizeof *sums * (size_t)(P * length));
  for (int64_t j = 0; j < length; j += STRETCH) {
    const int64_t some = length - j < STRETCH ? length - j : STRETCH;
    for (int64_t i = 0; i < rows; i++)
      for (int p = 0; p < P; p++)
        if (u[2 * i + p] != 0)
          NAME(axpy)(some, s + i * length + j, (Real)u[2 * i + p], sums + p * length + j);
  }
  for (int64_t j = 0; j < width; j++) {
    out[2 * j] = sums[j * P];
    out[2 * j + 1] = 0;
    if (P == 1) continue;
    out[2 * j] += sums[length + j * P + P - 1];
    out[2 * j + 1] = (double)sums[length + j * P] - sums[j * P + P - 1];
  }
}

/* out_j += sum_i t_ij y_i of a column-major tile of an n x n matrix, y being spread. */
static void NAME(tile_times)(int64_t n, const mpt_tile *tile, const void *t, const void *spread,
                             double *out) {
  enum { P = NAME(PARTS) };
  const Real *column = t, *y = (const Real *)spread + tile->row0 * P;
  for (int64_t j = 0; j < tile->cols; j++, column += tile->ldt * P) {
    double sum[2];
    NAME(dot)(tile->rows * P, column, y, n * P, sum);
    out[2 * (tile->col0 + j)] += sum[0];
    out[2 * (tile->col0 + j) + 1] += sum[1];
  }
}

/* Sum of squares of `count` elements, each times `scale`. */
VECTOR_CLONES
static double NAME(squares)(int64_t count, const void *array, double scale) {
  enum { L = NAME(LANES) };
  const int64_t length = count * NAME(PARTS);
  const Real *a = array, s = (Real)scale;
  NAME(lanes) sums = {0};
  double sum = 0;
  int64_t j = 0;
  for (; j + L <= length; j += L) {
    const NAME(lanes) v = *(const NAME(lanes) *)(a + j) * s;
    sums += v * v;
  }
  for (int l = 0; l < L; l++) sum += sums[l];
  for (; j < length; j++) sum += (double)(a[j] * s) * (double)(a[j] * s);
  return sum;
}
