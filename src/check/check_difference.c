#include "check/check_difference.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define Scalar double _Complex
#define Real double
#define IS_COMPLEX 1
#define BLAS(x) z##x##_
#define RBLAS(x) d##x##_
#include "engine/blas.h"

void zgesvd_(const char *jobu, const char *jobvt, const int *m, const int *n, double complex *a,
             const int *lda, double *s, double complex *u, const int *ldu, double complex *vt,
             const int *ldvt, double complex *work, const int *lwork, double *rwork, int *info,
             size_t, size_t);

/* In units of n x n: a, v, gv, g, direction, eigenvectors, rotated eigenvectors, product, two for
 * an SVD, the curve, and LAPACK's workspace. */
enum { MATRICES = 14 };
static const double complex one = 1, zero = 0;

int64_t mpt_loss_matrices(void) {
  return MATRICES;
}

static int64_t square(const mpt_loss *l) {
  return l->n * l->n;
}
static double complex *direction(const mpt_loss *l) {
  return l->space;
}
static double complex *perturbed(const mpt_loss *l) {
  return l->space + square(l);
}
static double complex *aligned(const mpt_loss *l) {
  return l->space + 2 * square(l);
}
static double complex *product(const mpt_loss *l) {
  return l->space + 3 * square(l);
}
static double complex *left(const mpt_loss *l) {
  return l->space + 4 * square(l);
}
static double complex *right(const mpt_loss *l) {
  return l->space + 5 * square(l);
}
static double complex *curve(const mpt_loss *l) {
  return l->space + 6 * square(l);
}
static double complex *workspace(const mpt_loss *l) {
  return l->space + 7 * square(l);
}

double complex *mpt_loss_workspace(const mpt_loss *l) {
  return workspace(l);
}
double complex *mpt_loss_direction(const mpt_loss *l) {
  return direction(l);
}

mpt_code mpt_loss_init(mpt_loss *l, int64_t n, mpt_error *error) {
  mpt_code code;
  *l = (mpt_loss){.n = n};
  double complex **matrices[] = {&l->a, &l->v, &l->gv, &l->g};
  for (int k = 0; k < 4; k++)
    TRY(mpt_allocate(matrices[k], n * n, sizeof **matrices[k], "a gradient check", error));
  TRY(mpt_allocate(&l->w, 3 * n, sizeof *l->w, "a gradient check", error));
  TRY(mpt_allocate(&l->gw, n, sizeof *l->gw, "a gradient check", error));
  TRY(mpt_allocate(&l->multiplet, n, sizeof *l->multiplet, "a gradient check", error));
  TRY(mpt_allocate(&l->cluster, n, sizeof *l->cluster, "a gradient check", error));
  TRY(mpt_allocate(&l->space, (MATRICES - 4) * n * n + 64 * n + 64, sizeof *l->space,
                   "a gradient check", error));
done:
  return code;
}

void mpt_loss_release(mpt_loss *l) {
  free(l->a);
  free(l->v);
  free(l->gv);
  free(l->g);
  free(l->w);
  free(l->gw);
  free(l->multiplet);
  free(l->cluster);
  free(l->space);
  mpt_loss_terms_release(&l->terms);
  *l = (mpt_loss){0};
}

/* Replaces the matrix by its eigenvectors. zheevd needs n^2 + 2n complex, 2n^2 + 5n + 1 real and 5n
 * + 3 integer elements; the last two follow the first. */
static bool solve(const mpt_loss *l, double complex *a, double *w) {
  const int n = (int)l->n, lwork = n * n + 2 * n + 1, lrwork = 2 * n * n + 5 * n + 1;
  const int liwork = 5 * n + 3;
  double complex *work = workspace(l);
  double *rwork = (double *)(work + lwork);
  int *iwork = (int *)(rwork + lrwork), info = 0;
  if (n > 0)
    BLAS(heevd)("V", "L", &n, a, &n, w, work, &lwork, rwork, &lrwork, iwork, &liwork, &info, 1, 1);
  return info == 0;
}

bool mpt_loss_solve(mpt_loss *l) {
  memcpy(l->v, l->a, (size_t)square(l) * sizeof *l->v);
  return solve(l, l->v, l->w);
}

static double frobenius(int64_t count, const double complex *x) {
  double sum = 0;
  for (int64_t i = 0; i < count; i++) sum = hypot(sum, cabs(x[i]));
  return sum;
}

static double norm_of(int64_t count, const double *x) {
  double sum = 0;
  for (int64_t i = 0; i < count; i++) sum = hypot(sum, x[i]);
  return sum;
}

/* |K_ij| of K = skew(V^H gV), and the level below which the gradient treats it as noise. */
static double coupling(const mpt_loss *l, const double *size, int64_t i, int64_t j, double *noise) {
  const double complex *t = product(l);
  *noise = 8 * l->epsilon * sqrt((double)l->n) * (size[i] + size[j]) / 2;
  return cabs(t[i + j * l->n] - conj(t[j + i * l->n])) / 2;
}

/* Whether the loss does not distinguish vectors i and j. */
static bool alike(const mpt_loss *l, const double *size, double largest, int64_t i, int64_t j) {
  double noise;
  if (fabs(l->gw[i] - l->gw[j]) > 4 * l->epsilon * largest) return false;
  return !l->vectors || coupling(l, size, i, j, &noise) <= noise;
}

static void merge_clusters(mpt_loss *l, const double *size) {
  enum { WIDE = 1000 }; /* gaps above norm / WIDE do not limit the step */
  double largest = 0;
  int64_t start = 0;
  for (int64_t j = 0; j < l->n; j++) largest = fmax(largest, fabs(l->gw[j]));
  for (int64_t j = 0, stop; j < l->n; j = stop) {
    for (stop = j + 1; stop < l->n && l->multiplet[stop] == l->multiplet[j];) stop++;
    bool merge = j > 0 && l->w[j] - l->w[j - 1] < l->norm / WIDE;
    for (int64_t a = start; merge && a < j; a++)
      for (int64_t b = j; merge && b < stop; b++) merge = alike(l, size, largest, a, b);
    if (!merge) start = j;
    int32_t id = j == 0 ? 0 : l->cluster[j - 1] + !merge;
    for (int64_t b = j; b < stop; b++) l->cluster[b] = id;
  }
}

static void add_dropped(mpt_loss *l, const double *size) {
  double noise, sum = 0;
  for (int64_t i = 0; i < l->n; i++)
    for (int64_t j = i + 1; j < l->n; j++) {
      if (l->cluster[i] == l->cluster[j]) continue;
      double k = coupling(l, size, i, j, &noise);
      if (k <= noise) sum = hypot(sum, k / (l->w[j] - l->w[i]));
    }
  l->dropped = sqrt(2) * sum;
}

void mpt_loss_prepare(mpt_loss *l) {
  const int n = (int)l->n;
  double *size = (double *)workspace(l);
  l->norm = mpt_spectral_norm(l->n, l->w);
  l->dropped = 0;
  for (int64_t j = 0; j < l->n; j++) size[j] = frobenius(l->n, l->gv + j * l->n);
  if (l->vectors && n > 0)
    BLAS(gemm)("C", "N", &n, &n, &n, &one, l->v, &n, l->gv, &n, &zero, product(l), &n, 1, 1);
  merge_clusters(l, size);
  if (l->vectors) add_dropped(l, size);
  l->gap = l->norm > 0 ? l->norm : 1;
  for (int64_t j = 1; j < l->n; j++)
    if (l->cluster[j] != l->cluster[j - 1]) l->gap = fmin(l->gap, l->w[j] - l->w[j - 1]);
}

void mpt_loss_rebuild(const mpt_loss *l, const double complex *v, const double *f,
                      double complex *out) {
  const int n = (int)l->n;
  double complex *scaled = product(l);
  for (int64_t j = 0; j < l->n; j++)
    for (int64_t i = 0; i < l->n; i++) scaled[i + j * l->n] = v[i + j * l->n] * f[j];
  if (n > 0) BLAS(gemm)("N", "C", &n, &n, &n, &one, scaled, &n, v, &n, &zero, out, &n, 1, 1);
}

/* Computes U, the unitary polar factor of V'_c^H V_c, for the m columns from `start` into
 * left(). */
static bool polar_factor(const mpt_loss *l, int64_t start, int m) {
  const int n = (int)l->n, lwork = 5 * m + 1;
  int info = 0;
  double complex *p = product(l), *u = left(l), *vt = right(l), *work = workspace(l);
  double *s = (double *)(work + lwork), *rwork = s + m;
  const double complex *now = perturbed(l) + start * l->n, *then = l->v + start * l->n;
  BLAS(gemm)("C", "N", &m, &m, &n, &one, now, &n, then, &n, &zero, p, &m, 1, 1);
  if (m == 1) {
    double size = cabs(p[0]);
    u[0] = size > 0 ? p[0] / size : 1;
    return true;
  }
  zgesvd_("A", "O", &m, &m, p, &m, s, u, &m, vt, &m, work, &lwork, rwork, &info, 1, 1);
  memcpy(vt, p, (size_t)m * (size_t)m * sizeof *vt); /* zgesvd has replaced the matrix by V^H */
  BLAS(gemm)("N", "N", &m, &m, &m, &one, u, &m, vt, &m, &zero, p, &m, 1, 1);
  memcpy(u, p, (size_t)m * (size_t)m * sizeof *u);
  return info == 0;
}

/* Sets out[i] = (U^H diag(w') U)_ii for one cluster. */
static void turned_values(const mpt_loss *l, const double *w, int64_t m, double *out) {
  const double complex *u = left(l);
  for (int64_t i = 0; i < m; i++) {
    out[i] = 0;
    for (int64_t k = 0; k < m; k++) {
      double complex x = u[k + i * m];
      out[i] += (creal(x) * creal(x) + cimag(x) * cimag(x)) * w[k];
    }
  }
}

bool mpt_loss_move(mpt_loss *l, double t, mpt_moved *moved) {
  const int n = (int)l->n;
  double complex *v = perturbed(l), *out = aligned(l);
  double *w = l->w + l->n, *turned = w + l->n; /* stored after the unperturbed ones */
  *moved = (mpt_moved){w, turned, v, out};
  for (int64_t i = 0; i < square(l); i++) v[i] = l->a[i] + t * direction(l)[i];
  for (int64_t i = 0; l->curved && i < square(l); i++) v[i] += t * t * curve(l)[i];
  if (!solve(l, v, w)) return false;
  for (int64_t start = 0, stop; start < l->n; start = stop) {
    for (stop = start + 1; stop < l->n && l->cluster[stop] == l->cluster[start];) stop++;
    const int m = (int)(stop - start);
    if (!polar_factor(l, start, m)) return false;
    turned_values(l, w + start, m, turned + start);
    BLAS(gemm)
    ("N", "N", &n, &m, &m, &one, v + start * n, &n, left(l), &m, &zero, out + start * n, &n, 1, 1);
  }
  return true;
}

/* *value = L(A + t dA). */
static bool loss_at(mpt_loss *l, double t, double *value) {
  double terms;
  mpt_moved at;
  *value = 0;
  if (!mpt_loss_move(l, t, &at)) return false;
  for (int64_t i = 0; i < l->n; i++) *value += l->gw[i] * at.turned_w[i];
  for (int64_t i = 0; l->vectors && i < square(l); i++)
    *value += creal(conj(l->gv[i]) * at.turned_v[i]);
  if (!mpt_loss_terms_value(&l->terms, at.w, at.v, &terms)) return false;
  *value += terms;
  return true;
}

/* splitmix64. */
double mpt_loss_draw(uint64_t *state) {
  uint64_t z = *state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return (double)((z ^ (z >> 31)) >> 11) * 0x1p-52 - 1;
}

/* Bends a direction X into the path (1 + t X) A (1 + t X), along which zero eigenvalues of A stay
 * zero: A + t (X A + A X) + t^2 X A X, with a direction of norm 1 or less. */
static void bend(mpt_loss *l) {
  const int n = (int)l->n;
  double complex *x = direction(l), *xa = product(l), *to = curve(l);
  const double half = l->norm > 0 ? 0.5 / l->norm : 0.5;
  for (int64_t i = 0; i < square(l); i++) x[i] *= half;
  BLAS(gemm)("N", "N", &n, &n, &n, &one, x, &n, l->a, &n, &zero, xa, &n, 1, 1);
  BLAS(gemm)("N", "N", &n, &n, &n, &one, xa, &n, x, &n, &zero, to, &n, 1, 1);
  for (int64_t j = 0; j < l->n; j++)
    for (int64_t i = 0; i < l->n; i++) x[i + j * l->n] = xa[i + j * l->n] + conj(xa[j + i * l->n]);
}

static void make_direction(mpt_loss *l, uint64_t seed) {
  double complex *d = direction(l);
  for (int64_t j = 0; j < l->n; j++)
    for (int64_t i = 0; i <= j; i++) {
      double re = mpt_loss_draw(&seed);
      double im = l->complex_type && i != j ? mpt_loss_draw(&seed) : 0;
      d[i + j * l->n] = re + im * I;
      d[j + i * l->n] = re - im * I;
    }
  double size = frobenius(square(l), d);
  for (int64_t i = 0; i < square(l) && size > 0; i++) d[i] /= size;
  l->curved = l->terms.null;
  if (l->curved) bend(l);
}

static bool central(mpt_loss *l, double h, double *slope) {
  double above, below;
  if (!loss_at(l, h, &above) || !loss_at(l, -h, &below)) return false;
  *slope = (above - below) / (2 * h);
  return true;
}

/* The step at which the truncation error, (h/reach)^2, and the rounding error, eps |A| / h, are
 * equal. */
double mpt_loss_step(const mpt_loss *l, double reach) {
  return reach * cbrt(DBL_EPSILON * fmax(l->norm / reach, 1));
}

/* The error estimate is that of Richardson extrapolation, plus the rounding error of L itself,
 * which two steps with equal results would hide. */
bool mpt_loss_difference(mpt_loss *l, uint64_t seed, mpt_difference *d) {
  const double reach = fmin(l->gap, l->terms.reach);
  const double h = mpt_loss_step(l, reach);
  const double gw = norm_of(l->n, l->gw), gv = l->vectors ? frobenius(square(l), l->gv) : 0;
  double coarse, fine;
  make_direction(l, seed);
  if (!central(l, h, &coarse) || !central(l, h / 2, &fine)) return false;
  d->found = fine + (fine - coarse) / 3;
  d->error = fabs(fine - coarse) +
             DBL_EPSILON * (gw * l->norm + gv * l->norm / l->gap + l->terms.level) / h;
  d->expected = 0;
  for (int64_t i = 0; i < square(l); i++) d->expected += creal(conj(l->g[i]) * direction(l)[i]);
  d->scale = fmax(frobenius(square(l), l->g), fabs(d->found));
  d->scale = fmax(d->scale, gw + (l->norm > 0 ? gv / l->norm : 0));
  return true;
}
