/* Included once per scalar type by certificate.c. A row of n elements is treated as `length` real
 * numbers, n or 2 n of them. A real vector that multiplies it repeats every entry once for each
 * part of an element. Two probes make four such vectors, which are processed together. */

enum { NAME(PARTS) = 1 + IS_COMPLEX, NAME(LANES) = 64 / sizeof(Real) };

typedef Real NAME(lanes) __attribute__((vector_size(64), aligned(sizeof(Real)), may_alias));

/* out[p] = sum_j row_j x_pj, Re and Im. */
VECTOR_CLONES
static void NAME(four_dots)(int64_t length, const Real *row, const Real *x, double out[4][2]) {
  enum { L = NAME(LANES), PARTS = NAME(PARTS) };
  NAME(lanes) sums[4] = {{0}, {0}, {0}, {0}};
  int64_t j = 0;
  for (; j + L <= length; j += L) {
    const NAME(lanes) v = *(const NAME(lanes) *)(row + j);
    sums[0] += v * *(const NAME(lanes) *)(x + j);
    sums[1] += v * *(const NAME(lanes) *)(x + length + j);
    sums[2] += v * *(const NAME(lanes) *)(x + 2 * length + j);
    sums[3] += v * *(const NAME(lanes) *)(x + 3 * length + j);
  }
  for (int p = 0; p < 4; p++) {
    out[p][0] = out[p][1] = 0;
    for (int l = 0; l < L; l++) out[p][l % PARTS] += sums[p][l];
    for (int64_t k = j; k < length; k++) out[p][k % PARTS] += row[k] * x[p * length + k];
  }
}

/* sums_p += row_i y_ip over all rows, in stretches of columns that stay in the first-level cache.
 */
VECTOR_CLONES
static void NAME(four_axpys)(int64_t rows, int64_t length, const Real *row, const double *y,
                             Real *sums) {
  enum { STRETCH = 4096 / sizeof(Real) };
  for (int64_t j0 = 0; j0 < length; j0 += STRETCH) {
    const int64_t width = length - j0 < STRETCH ? length - j0 : STRETCH;
    for (int64_t i = 0; i < rows; i++) {
      const Real *restrict v = row + i * length + j0;
      Real *restrict s = sums + j0;
      const Real y0 = (Real)y[4 * i], y1 = (Real)y[4 * i + 1], y2 = (Real)y[4 * i + 2];
      const Real y3 = (Real)y[4 * i + 3];
      for (int64_t j = 0; j < width; j++) {
        s[j] += v[j] * y0;
        s[j + length] += v[j] * y1;
        s[j + 2 * length] += v[j] * y2;
        s[j + 3 * length] += v[j] * y3;
      }
    }
  }
}

/* Sum of squares of `length` numbers, each times `scale`. */
VECTOR_CLONES
static double NAME(sum_of_squares)(int64_t length, const Real *row, Real scale) {
  enum { L = NAME(LANES) };
  NAME(lanes) sums = {0};
  double sum = 0;
  int64_t j = 0;
  for (; j + L <= length; j += L) {
    const NAME(lanes) v = *(const NAME(lanes) *)(row + j) * scale;
    sums += v * v;
  }
  for (int l = 0; l < L; l++) sum += sums[l];
  for (; j < length; j++) sum += (double)(row[j] * scale) * (double)(row[j] * scale);
  return sum;
}

/* Trace and squared Frobenius norm of this rank's rows of matrix k times `scale`. */
static void NAME(moments)(const mpt_batch *b, int64_t k, double scale, double sums[2]) {
  const int64_t length = b->n * NAME(PARTS);
  const Real *row = (const Real *)b->a + k * b->rows * length;
  double rest[2] = {0};
  for (int64_t i = 0; i < b->rows; i++, row += length) {
    mpt_add_exactly(row[(b->row0 + i) * NAME(PARTS)] * scale, &sums[0], &rest[0]);
    mpt_add_exactly(NAME(sum_of_squares)(length, row, (Real)scale), &sums[1], &rest[1]);
  }
  for (int i = 0; i < 2; i++) sums[i] += rest[i];
}

/* Vectors 0, 1: random signs x; vectors 2, 3: s w o x. */
static void NAME(make_probes)(int64_t n, const Real *w, double s, Real *x) {
  uint64_t state = 0x9e3779b97f4a7c15u;
  for (int64_t j = 0; j < n; j++) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    for (int p = 0; p < 2; p++)
      for (int part = 0; part < NAME(PARTS); part++) {
        double sign = (state >> (40 + p)) & 1 ? 1 : -1;
        int64_t at = j * NAME(PARTS) + part;
        x[p * n * NAME(PARTS) + at] = (Real)sign;
        x[(2 + p) * n * NAME(PARTS) + at] = (Real)(sign * w[j] * s);
      }
  }
}

/* The memory of one certificate. */
typedef struct NAME(probes) {
  int64_t columns;       /* m */
  int64_t length, width; /* n and m times parts */
  double s;      /* a power of two near 1/||A||, so that nothing leaves the exponent range */
  double *y, *u; /* [rows][2][2]: V x and s V (w o x) on this rank's rows, probe, part */
  double *whole; /* [n][2][2]: V x on all rows */
  Real *x;       /* [4][length] */
} NAME(probes);

/* Computes y and u on this rank's rows, then y of all ranks. */
static void NAME(apply_vectors)(const mpt_team *team, const mpt_batch *b, const Real *v,
                                NAME(probes) * m) {
  for (int64_t i = 0; i < b->rows; i++) {
    double out[4][2];
    NAME(four_dots)(m->width, v + i * m->width, m->x, out);
    memcpy(m->y + 4 * i, out, sizeof(double) * 4);
    memcpy(m->u + 4 * i, out + 2, sizeof(double) * 4);
  }
  memcpy(m->whole + 4 * b->row0, m->y, sizeof(double) * 4 * (size_t)b->rows);
  for (int r = 0; r < team->size && team->size > 1; r++) {
    int64_t first = mpt_slab_start(b->n, team->size, r);
    int64_t end = mpt_slab_start(b->n, team->size, r + 1);
    mpt_team_broadcast(team, r, 4 * (end - first) * (int64_t)sizeof(double), m->whole + 4 * first);
  }
}

/* Squared norms of s A y - u on this rank's rows. */
static void NAME(residuals)(const mpt_batch *b, const Real *a, NAME(probes) * m, double norm2[2]) {
  for (int64_t j = 0; j < b->n; j++) /* vectors Re y_0, Im y_0, Re y_1, Im y_1 */
    for (int p = 0; p < 4; p++)
      for (int part = 0; part < NAME(PARTS); part++)
        m->x[p * m->length + j * NAME(PARTS) + part] = (Real)(m->whole[4 * j + p] * m->s);
  for (int64_t i = 0; i < b->rows; i++) {
    double d[4][2];
    NAME(four_dots)(m->length, a + i * m->length, m->x, d);
    for (int p = 0; p < 2; p++) {
      double re = d[2 * p][0] - d[2 * p + 1][1] - m->u[4 * i + 2 * p];
      double im = d[2 * p][1] + d[2 * p + 1][0] - m->u[4 * i + 2 * p + 1];
      norm2[p] += re * re + im * im;
    }
  }
}

/* Squared norms of V^H y - x, on every rank. */
static void NAME(overlaps)(const mpt_team *team, const mpt_batch *b, const Real *v, const Real *w,
                           NAME(probes) * m, double norm2[2]) {
  memset(m->x, 0, sizeof(Real) * (size_t)(4 * m->width));
  NAME(four_axpys)(b->rows, m->width, v, m->y, m->x);
  mpt_team_reduce(team, MPT_REDUCE_SUM, REAL_BYTES == 4 ? MPT_SINGLE : MPT_DOUBLE, 4 * m->width,
                  m->x);
  Real *signs = m->x + 4 * m->width;
  NAME(make_probes)(m->columns, w, m->s, signs);
  for (int p = 0; p < 2; p++)
    for (int64_t j = 0; j < m->columns; j++) {
      const int64_t at = j * NAME(PARTS);
      const Real *r = m->x + 2 * p * m->width + at, *t = r + m->width;
      double re = r[0] - signs[p * m->width + at], im = 0; /* V^H y = conj(r) + i conj(t) */
#if IS_COMPLEX
      re += t[1];
      im = t[0] - r[1];
#else
      (void)t;
#endif
      norm2[p] += re * re + im * im;
    }
}

static void NAME(certify)(const mpt_team *team, mpt_batch *b, int64_t k, double norm) {
  const int64_t n = b->n, columns = mpt_batch_columns(b), each = b->rows * NAME(PARTS);
  const Real *a = (const Real *)b->a + k * each * n, *v = (const Real *)b->v + k * each * columns;
  const Real *w = (const Real *)b->w + k * columns;
  mpt_report *report = &b->report[k];
  const int limit = sizeof(Real) == 4 ? 120 : 1000, e = norm > 0 ? ilogb(norm) : 0;
  NAME(probes) m = {.columns = columns, .length = n * NAME(PARTS), .width = columns * NAME(PARTS)};
  m.s = ldexp(1, -(e > limit ? limit : e < -limit ? -limit : e));
  m.y = malloc(sizeof(double) * (size_t)(8 * b->rows + 4 * n + 1) +
               sizeof(Real) * (size_t)(8 * m.length));
  const bool failed = mpt_team_any(team, !m.y);
  if (failed) {
    report->status = MPT_STATUS_INTERNAL;
    free(m.y);
    return;
  }
  m.u = m.y + 4 * b->rows;
  m.whole = m.u + 4 * b->rows;
  m.x = (Real *)(m.whole + 4 * n);
  double r[2] = {0}, o[2] = {0};
  NAME(make_probes)(columns, w, m.s, m.x);
  NAME(apply_vectors)(team, b, v, &m);
  NAME(residuals)(b, a, &m, r);
  NAME(overlaps)(team, b, v, w, &m, o);
  mpt_team_sum(team, 2, r);
  double unit = (double)n * mpt_type_epsilon(b->type) * sqrt((double)columns);
  double tiny = (double)n * (sizeof(Real) == 4 ? 0x1p-149 : 0x1p-1074); /* for gradual underflow */
  report->residual =
      columns && norm > 0 ? sqrt(fmax(r[0], r[1])) / (m.s * (unit * norm + tiny)) : 0;
  report->orthogonality = columns ? sqrt(fmax(o[0], o[1])) / unit : 0;
  free(m.y);
}
