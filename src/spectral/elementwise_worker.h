/* Included once per scalar type by elementwise.c. */

/* Both loops are branch-free so that they vectorize: x - x is 0 for finite x and NaN otherwise. */
VECTOR_CLONES
static mpt_scan NAME(scan_slab)(int64_t row0, int64_t rows, int64_t cols, const void *a,
                                mpt_triangle triangle) {
  Real largest = 0;
  int bad = 0;
  for (int64_t i = 0; i < rows; i++) {
    int64_t first = triangle == MPT_TRIANGLE_UPPER ? row0 + i : 0;
    int64_t last = triangle == MPT_TRIANGLE_LOWER ? row0 + i + 1 : cols;
    const Real *x = (const Real *)((const Scalar *)a + i * cols + first);
    int64_t count = (last - first) * (1 + IS_COMPLEX);
    for (int64_t j = 0; j < count; j++) {
      Real size = x[j] < 0 ? -x[j] : x[j];
      largest = size > largest ? size : largest;
      bad |= !(x[j] - x[j] == 0);
    }
  }
  return (mpt_scan){.largest = largest, .finite = !bad};
}

enum { NAME(BLOCK) = 32 };

/* The defect of one row of a against one column of b, at most BLOCK long. worst[] holds several
 * running maxima, so that the loop vectorizes. */
static inline void NAME(row_defect)(int64_t count, const Scalar *a, const Scalar *b, int64_t ldb,
                                    Real *worst) {
  Scalar facing[NAME(BLOCK)];
  for (int64_t j = 0; j < count; j++) facing[j] = CONJ(b[j * ldb]);
  const Real *x = (const Real *)a, *y = (const Real *)facing;
  for (int64_t j = 0; j < count * (1 + IS_COMPLEX); j++) {
    Real d = x[j] - y[j];
    d = d < 0 ? -d : d;
    worst[j] = d > worst[j] ? d : worst[j];
  }
}

VECTOR_CLONES
static double NAME(hermitian_defect)(const mpt_facing *f) {
  const Scalar *a = f->a, *b = f->b;
  Real worst[NAME(BLOCK) * (1 + IS_COMPLEX)] = {0}, defect = 0;
  const bool itself = f->a == f->b; /* a diagonal block: its lower half is enough */
  for (int64_t i0 = 0; i0 < f->rows; i0 += NAME(BLOCK))
    for (int64_t j0 = 0; j0 < (itself ? i0 + 1 : f->cols); j0 += NAME(BLOCK)) {
      int64_t rows = f->rows - i0 < NAME(BLOCK) ? f->rows - i0 : NAME(BLOCK);
      int64_t cols = f->cols - j0 < NAME(BLOCK) ? f->cols - j0 : NAME(BLOCK);
      for (int64_t i = i0; i < i0 + rows; i++)
        NAME(row_defect)(cols, a + i * f->lda + j0, b + j0 * f->ldb + i, f->ldb, worst);
    }
  for (int k = 0; k < NAME(BLOCK) * (1 + IS_COMPLEX); k++)
    defect = worst[k] > defect ? worst[k] : defect;
  return defect;
}

static void NAME(conjugate_transpose)(const mpt_facing *f) {
  Scalar *a = f->a;
  const Scalar *b = f->b;
  for (int64_t i0 = 0; i0 < f->rows; i0 += NAME(BLOCK))
    for (int64_t j0 = 0; j0 < f->cols; j0 += NAME(BLOCK))
      for (int64_t i = i0; i < f->rows && i < i0 + NAME(BLOCK); i++)
        for (int64_t j = j0; j < f->cols && j < j0 + NAME(BLOCK); j++)
          a[i * f->lda + j] = CONJ(b[j * f->ldb + i]);
}

/* Adds halves, so that the sum cannot overflow. */
static void NAME(average)(const mpt_facing *f) {
  Scalar *a = f->a;
  const Scalar *b = f->b;
  for (int64_t i0 = 0; i0 < f->rows; i0 += NAME(BLOCK))
    for (int64_t j0 = 0; j0 < f->cols; j0 += NAME(BLOCK))
      for (int64_t i = i0; i < f->rows && i < i0 + NAME(BLOCK); i++)
        for (int64_t j = j0; j < f->cols && j < j0 + NAME(BLOCK); j++)
          a[i * f->lda + j] = a[i * f->lda + j] / 2 + CONJ(b[j * f->ldb + i]) / 2;
}

static void NAME(mirror)(int64_t n, void *matrix, int64_t lda, mpt_triangle from) {
  Scalar *a = matrix;
  for (int64_t i = 0; i < n; i++) a[i * lda + i] = RE(a[i * lda + i]);
  if (from == MPT_TRIANGLE_FULL) return;
  for (int64_t i0 = 0; i0 < n; i0 += NAME(BLOCK))
    for (int64_t j0 = 0; j0 <= i0; j0 += NAME(BLOCK))
      for (int64_t i = i0; i < n && i < i0 + NAME(BLOCK); i++)
        for (int64_t j = j0; j < i && j < j0 + NAME(BLOCK); j++) {
          if (from == MPT_TRIANGLE_AVERAGE)
            a[i * lda + j] = a[i * lda + j] / 2 + CONJ(a[j * lda + i]) / 2;
          if (from == MPT_TRIANGLE_UPPER)
            a[i * lda + j] = CONJ(a[j * lda + i]);
          else
            a[j * lda + i] = CONJ(a[i * lda + j]);
        }
}

static void NAME(conjugate)(int64_t count, void *elements) {
  Scalar *a = elements;
  for (int64_t i = 0; i < count; i++) a[i] = CONJ(a[i]);
}

VECTOR_CLONES
static void NAME(add_column_norms)(int64_t rows, int64_t cols, const void *slab, int exponent,
                                   double *norm2) {
  const Real *a = slab;
  const int half = exponent / 2; /* 2^-exponent itself can overflow or underflow */
  const double scale = ldexp(1, -half), rest = ldexp(1, half - exponent);
  for (int64_t i = 0; i < rows; i++, a += cols * (1 + IS_COMPLEX))
    for (int64_t j = 0; j < cols; j++) {
      double re = (double)a[j * (1 + IS_COMPLEX)] * scale * rest;
      double im = IS_COMPLEX ? (double)a[j * (1 + IS_COMPLEX) + IS_COMPLEX] * scale * rest : 0;
      norm2[j] += re * re + im * im;
    }
}

static void NAME(reals_to_double)(int64_t count, const void *reals, double *out) {
  for (int64_t i = 0; i < count; i++) out[i] = ((const Real *)reals)[i];
}

static double NAME(largest_component2)(int64_t rows, const void *column) {
  const Scalar *u = column;
  double largest = 0;
  for (int64_t i = 0; i < rows; i++) largest = ABS2(u[i]) > largest ? ABS2(u[i]) : largest;
  return largest;
}

static int64_t NAME(first_component)(int64_t rows, const void *column, double threshold2) {
  const Scalar *u = column;
  for (int64_t i = 0; i < rows; i++)
    if (ABS2(u[i]) >= threshold2) return i;
  return -1;
}

static void NAME(turn_column)(int64_t rows, void *column, const double pivot[2], int64_t at) {
  Scalar *u = column;
  double size = hypot(pivot[0], pivot[1]);
  if (size == 0 || (pivot[1] == 0 && pivot[0] > 0)) return;
#if IS_COMPLEX
  Scalar turn = (Scalar)((pivot[0] - pivot[1] * I) / size);
#else
  Scalar turn = (Scalar)(pivot[0] / size);
#endif
  for (int64_t i = 0; i < rows; i++) u[i] *= turn;
  if (at >= 0) u[at] = (Real)size;
}

static void NAME(get_element)(const void *elements, int64_t i, double out[2]) {
  const Scalar *u = elements;
  out[0] = RE(u[i]);
  out[1] = IM(u[i]);
}
