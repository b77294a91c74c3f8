/* Eigenpairs of a Hermitian matrix to about 31 digits, for tests: cyclic Jacobi in double-double
 * arithmetic (a number is hi + lo, |lo| <= ulp(hi) / 2), started from eigenvectors in double
 * precision. Double-double and not __float128, because its loops become vector instructions: some
 * twenty times faster, and 1e-31 is enough for gaps of 1e-16.
 *
 * Compiled when it is first used, by reference.py. Arrays are [n][n] by rows; a complex one is two
 * of them, real and imaginary parts. To be compiled without contraction of products and sums. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct dd {
  double hi, lo;
} dd;

static inline dd quick(double a, double b) {
  const double s = a + b;
  return (dd){s, b - (s - a)};
}

static inline dd add(dd a, dd b) {
  const double s = a.hi + b.hi, v = s - a.hi, e = (a.hi - (s - v)) + (b.hi - v);
  const double t = a.lo + b.lo, u = t - a.lo, f = (a.lo - (t - u)) + (b.lo - u);
  const dd c = quick(s, e + t);
  return quick(c.hi, c.lo + f);
}

static inline dd mul(dd a, dd b) {
  const double p = a.hi * b.hi;
  return quick(p, __builtin_fma(a.hi, b.hi, -p) + (a.hi * b.lo + a.lo * b.hi));
}

static inline dd neg(dd a) {
  return (dd){-a.hi, -a.lo};
}

static dd divide(dd a, dd b) {
  const double q = a.hi / b.hi;
  const dd r = add(a, neg(mul(b, (dd){q, 0})));
  const double q2 = r.hi / b.hi;
  const dd r2 = add(r, neg(mul(b, (dd){q2, 0})));
  return add(quick(q, q2), (dd){r2.hi / b.hi, 0});
}

static dd root(dd a) {
  if (a.hi <= 0) return (dd){0, 0};
  const dd x = {sqrt(a.hi), 0};
  const dd y = add(x, (dd){add(a, neg(mul(x, x))).hi / (2 * x.hi), 0});
  return add(y, (dd){add(a, neg(mul(y, y))).hi / (2 * y.hi), 0});
}

/* A row of complex double-doubles, in four arrays; im is NULL for real ones. */
typedef struct row {
  double *re, *rl, *im, *il;
} row;

typedef struct matrix {
  int n;
  double *memory;
  double *part[4];
} matrix;

static int make(matrix *m, int n, int is_complex) {
  const size_t each = (size_t)n * (size_t)n;
  m->n = n;
  m->memory = calloc((is_complex ? 4 : 2) * each + 1, sizeof(double));
  for (int k = 0; k < 4; k++)
    m->part[k] = m->memory && (k < 2 || is_complex) ? m->memory + (size_t)k * each : NULL;
  return m->memory != NULL;
}

static row row_of(const matrix *m, int i) {
  const size_t at = (size_t)i * (size_t)m->n;
  const int is_complex = m->part[2] != NULL;
  return (row){m->part[0] + at, m->part[1] + at, is_complex ? m->part[2] + at : NULL,
               is_complex ? m->part[3] + at : NULL};
}

typedef struct zz {
  dd re, im;
} zz;

static zz at(row x, int j) {
  zz out = {{x.re[j], x.rl[j]}, {0, 0}};
  if (x.im) out.im = (dd){x.im[j], x.il[j]};
  return out;
}

static void put(row x, int j, zz value) {
  x.re[j] = value.re.hi;
  x.rl[j] = value.re.lo;
  if (!x.im) return;
  x.im[j] = value.im.hi;
  x.il[j] = value.im.lo;
}

static zz conjugate(zz a) {
  return (zz){a.re, neg(a.im)};
}

static zz times(zz a, zz b) {
  return (zz){add(mul(a.re, b.re), neg(mul(a.im, b.im))), add(mul(a.re, b.im), mul(a.im, b.re))};
}

static zz plus(zz a, zz b) {
  return (zz){add(a.re, b.re), add(a.im, b.im)};
}

/* y += a x */
static void axpy_real(int n, dd a, const double *restrict xh, const double *restrict xl,
                      double *restrict yh, double *restrict yl) {
  for (int j = 0; j < n; j++) {
    const dd s = add((dd){yh[j], yl[j]}, mul(a, (dd){xh[j], xl[j]}));
    yh[j] = s.hi;
    yl[j] = s.lo;
  }
}

static void axpy(int n, zz a, row x, row y) {
  axpy_real(n, a.re, x.re, x.rl, y.re, y.rl);
  if (!x.im) return;
  axpy_real(n, neg(a.im), x.im, x.il, y.re, y.rl);
  axpy_real(n, a.re, x.im, x.il, y.im, y.il);
  axpy_real(n, a.im, x.re, x.rl, y.im, y.il);
}

/* (x, y) = (c x - s y, s x + c y) */
static void turn_real(int n, dd c, dd s, double *restrict xh, double *restrict xl,
                      double *restrict yh, double *restrict yl) {
  for (int j = 0; j < n; j++) {
    const dd x = {xh[j], xl[j]}, y = {yh[j], yl[j]};
    const dd u = add(mul(c, x), neg(mul(s, y))), v = add(mul(s, x), mul(c, y));
    xh[j] = u.hi;
    xl[j] = u.lo;
    yh[j] = v.hi;
    yl[j] = v.lo;
  }
}

static void turn_by_phase(int n, zz e, row x) {
  for (int j = 0; j < n; j++) put(x, j, times(e, at(x, j)));
}

static void turn(int n, dd c, dd s, row x, row y) {
  turn_real(n, c, s, x.re, x.rl, y.re, y.rl);
  if (x.im) turn_real(n, c, s, x.im, x.il, y.im, y.il);
}

/* The columns of v, by Gram and Schmidt. */
static void orthonormalize(matrix *v, matrix *work) {
  const int n = v->n;
  const row h = row_of(work, 0);
  for (int i = 0; i < n; i++) {
    dd norm2 = {0, 0};
    for (int r = 0; r < n; r++) {
      const zz x = at(row_of(v, r), i);
      norm2 = add(norm2, add(mul(x.re, x.re), mul(x.im, x.im)));
    }
    const dd scale = divide((dd){1, 0}, root(norm2));
    for (int j = 0; j < n; j++) put(h, j, (zz){{0, 0}, {0, 0}});
    for (int r = 0; r < n; r++) {
      const row x = row_of(v, r);
      const zz y = at(x, i);
      put(x, i, (zz){mul(y.re, scale), mul(y.im, scale)});
      axpy(n, conjugate(at(x, i)), x, h);
    }
    for (int j = 0; j <= i; j++) put(h, j, (zz){{0, 0}, {0, 0}});
    for (int r = 0; r < n; r++) {
      const zz x = at(row_of(v, r), i);
      axpy(n, (zz){neg(x.re), neg(x.im)}, h, row_of(v, r));
    }
  }
}

/* b = v^H a v */
static void into_basis(const matrix *a, const matrix *v, matrix *work, matrix *b) {
  const int n = a->n;
  for (int r = 0; r < n; r++)
    for (int c = 0; c < n; c++) axpy(n, at(row_of(a, r), c), row_of(v, c), row_of(work, r));
  for (int r = 0; r < n; r++)
    for (int i = 0; i < n; i++)
      axpy(n, conjugate(at(row_of(v, r), i)), row_of(work, r), row_of(b, i));
}

/* Brings b_pq to zero: b = R^H b R, and the rows p and q of vt (the vectors, not conjugated). */
static void rotate(matrix *b, matrix *vt, int p, int q) {
  const int n = b->n;
  const row bp = row_of(b, p), bq = row_of(b, q);
  const zz off = at(bp, q);
  const dd size = root(add(mul(off.re, off.re), mul(off.im, off.im)));
  const dd gap = add(at(bq, q).re, neg(at(bp, p).re));
  const double tau = gap.hi / (2 * size.hi);
  const double t = (tau < 0 ? -1 : 1) / (fabs(tau) + hypot(1, tau));
  const dd c = divide((dd){1, 0}, root(add((dd){1, 0}, mul((dd){t, 0}, (dd){t, 0}))));
  const dd s = mul((dd){t, 0}, c);
  /* v_q is turned by conj(phase), so that b_pq is real and positive, then both by the angle */
  const zz phase = {divide(off.re, size), divide(off.im, size)};
  turn_by_phase(n, phase, bq);
  turn_by_phase(n, conjugate(phase), row_of(vt, q));
  turn(n, c, s, bp, bq);
  turn(n, c, s, row_of(vt, p), row_of(vt, q));
  zz block[2][2];
  for (int k = 0; k < 2; k++) { /* the columns p and q of the two rows themselves */
    const row x = k ? bq : bp;
    const zz first = at(x, p), second = times(at(x, q), conjugate(phase));
    const zz cc = {c, {0, 0}}, ss = {s, {0, 0}}, minus = {neg(s), {0, 0}};
    block[k][0] = plus(times(cc, first), times(minus, second));
    block[k][1] = plus(times(ss, first), times(cc, second));
  }
  for (int k = 0; k < 2; k++) {
    block[k][k].im = (dd){0, 0};
    put(k ? bq : bp, p, block[k][0]);
    put(k ? bq : bp, q, block[k][1]);
  }
  for (int j = 0; j < n; j++) {
    put(row_of(b, j), j == q ? q : p, conjugate(at(j == q ? bq : bp, j)));
    put(row_of(b, j), j == p ? p : q, conjugate(at(j == p ? bp : bq, j)));
  }
}

static double largest(const matrix *m) {
  double out = 0;
  for (size_t k = 0; k < (size_t)m->n * (size_t)m->n; k++) {
    out = fmax(out, fabs(m->part[0][k]));
    if (m->part[2]) out = fmax(out, fabs(m->part[2][k]));
  }
  return out;
}

/* What is negligible is so against the whole matrix, or against the two diagonal elements if that
 * is 0. */
static int sweep(matrix *b, matrix *vt, double negligible) {
  int turned = 0;
  for (int p = 0; p < b->n; p++)
    for (int q = p + 1; q < b->n; q++) {
      const zz off = at(row_of(b, p), q);
      const double pp = at(row_of(b, p), p).re.hi, qq = at(row_of(b, q), q).re.hi;
      const double least = negligible > 0 ? negligible : 2e-32 * sqrt(fabs(pp)) * sqrt(fabs(qq));
      if (hypot(off.re.hi, off.im.hi) <= least) continue;
      rotate(b, vt, p, q);
      turned++;
    }
  return turned;
}

/* Eigenvalues w = wh + wl, ascending, and eigenvectors v = vh + vl in columns. In: the matrix,
 * exact, and in vh approximate eigenvectors, independent of each other. im, vih and vil are NULL
 * for a real matrix. A `graded` one, whose rows and columns are of very different size and which is
 * diagonally dominant but for these, keeps the digits of its small eigenvalues: it is taken as it
 * is, not in another basis. Returns the sweeps that were needed, or -1 when memory is out. */
int mpt_quad_eigh(int n, int graded, const double *re, const double *im, double *wh, double *wl,
                  double *vh, double *vl, double *vih, double *vil) {
  enum { MOST = 30 };
  const size_t bytes = sizeof(double) * (size_t)n * (size_t)n;
  matrix a, v, b, work;
  const int made = make(&a, n, im != NULL) & make(&v, n, im != NULL) & make(&b, n, im != NULL) &
                   make(&work, n, im != NULL);
  int *const order = malloc(sizeof(int) * (size_t)(n + 1));
  int sweeps = -1;
  if (!made || !order) goto done;
  memcpy(a.part[0], re, bytes);
  memcpy(v.part[0], vh, bytes);
  if (im) memcpy(a.part[2], im, bytes);
  if (im) memcpy(v.part[2], vih, bytes);
  for (int i = 0; i < n * n && graded; i++) {
    v.part[0][i] = i % (n + 1) == 0;
    if (im) v.part[2][i] = 0;
  }
  orthonormalize(&v, &work);
  memset(work.memory, 0, bytes * (im ? 4 : 2));
  into_basis(&a, &v, &work, &b);
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++) put(row_of(&work, j), i, at(row_of(&v, i), j));
  const double negligible = graded ? 0 : 2e-32 * largest(&a) * sqrt((double)n);
  for (sweeps = 1; sweeps < MOST && sweep(&b, &work, negligible); sweeps++)
    ;
  for (int i = 0; i < n; i++) { /* by insertion: it is nearly sorted */
    int k = i;
    for (const dd x = at(row_of(&b, i), i).re; k > 0; k--) {
      const dd y = at(row_of(&b, order[k - 1]), order[k - 1]).re;
      if (y.hi < x.hi || (y.hi == x.hi && y.lo <= x.lo)) break;
      order[k] = order[k - 1];
    }
    order[k] = i;
  }
  for (int k = 0; k < n; k++) {
    const dd x = at(row_of(&b, order[k]), order[k]).re;
    wh[k] = x.hi;
    wl[k] = x.lo;
    for (int r = 0; r < n; r++) {
      const zz y = at(row_of(&work, order[k]), r);
      const size_t to = (size_t)r * (size_t)n + (size_t)k;
      vh[to] = y.re.hi;
      vl[to] = y.re.lo;
      if (im) vih[to] = y.im.hi;
      if (im) vil[to] = y.im.lo;
    }
  }
done:
  free(order);
  free(a.memory);
  free(v.memory);
  free(b.memory);
  free(work.memory);
  return sweeps;
}
