#include "spectral/frame.h"

#include <math.h>
#include <string.h>
#include "spectral/function.h"

int64_t mpt_frame_memory(int64_t n, int64_t first, int64_t stop, int64_t columns) {
  return 2 * n * columns + 2 * (stop - first) * columns + 3 * columns * columns + columns;
}

void mpt_frame_lay_out(int64_t n, int64_t first, int64_t stop, int64_t columns, mpt_wide *memory,
                       mpt_spectral_frame *f) {
  const int64_t inside = stop - first;
  *f = (mpt_spectral_frame){.n = n, .first = first, .stop = stop, .columns = columns};
  f->r = memory;
  f->y = f->r + n * columns;
  f->polar = f->y + n * columns;
  f->left = f->polar + inside * columns;
  f->right = f->left + inside * columns;
  f->small = f->right + columns * columns;
  f->s = (double *)(f->small + 2 * columns * columns);
}

static double size(int64_t count, const mpt_wide *x) {
  double sum = 0;
  for (int64_t i = 0; i < count; i++) sum = hypot(sum, cabs(x[i]));
  return sum;
}

/* x^H y. */
static mpt_wide dot(int64_t count, const mpt_wide *x, const mpt_wide *y) {
  mpt_wide sum = 0;
  for (int64_t i = 0; i < count; i++) sum += conj(x[i]) * y[i];
  return sum;
}

/* (x, y) = (x c - y s conj(turn), x s turn + y c). */
static void rotate(int64_t count, mpt_wide *x, mpt_wide *y, double c, double s, mpt_wide turn) {
  for (int64_t i = 0; i < count; i++) {
    const mpt_wide a = x[i], b = y[i];
    x[i] = c * a - s * conj(turn) * b;
    y[i] = s * turn * a + c * b;
  }
}

/* Makes two columns of left orthogonal; returns true when they were not (one-sided Jacobi: Demmel
 * and Veselic 1992, to high relative accuracy). */
static bool orthogonalize(mpt_spectral_frame *f, int64_t p, int64_t q) {
  const int64_t inside = f->stop - f->first, m = f->columns;
  mpt_wide *x = f->left + p * inside, *y = f->left + q * inside;
  const double xx = creal(dot(inside, x, x)), yy = creal(dot(inside, y, y));
  const mpt_wide xy = dot(inside, x, y);
  const double off = cabs(xy);
  if (off <= 0x1p-53 * sqrt(xx) * sqrt(yy) || off == 0) return false;
  const double zeta = (yy - xx) / (2 * off);
  const double t = (zeta < 0 ? -1 : 1) / (fabs(zeta) + hypot(1, zeta));
  const double c = 1 / hypot(1, t);
  rotate(inside, x, y, c, c * t, xy / off);
  rotate(m, f->right + p * m, f->right + q * m, c, c * t, xy / off);
  return true;
}

/* c = left diag(s) right^H with orthonormal columns. */
static void decompose(mpt_spectral_frame *f) {
  enum { MOST_SWEEPS = 60 };
  const int64_t inside = f->stop - f->first, m = f->columns;
  for (int64_t j = 0; j < m; j++)
    for (int64_t i = 0; i < inside; i++) f->left[j * inside + i] = f->r[(f->first + i) * m + j];
  memset(f->right, 0, sizeof *f->right * (size_t)(m * m));
  for (int64_t j = 0; j < m; j++) f->right[j * m + j] = 1;
  bool again = true;
  for (int sweep = 0; again && sweep < MOST_SWEEPS; sweep++) {
    again = false;
    for (int64_t p = 0; p < m; p++)
      for (int64_t q = p + 1; q < m; q++) again |= orthogonalize(f, p, q);
  }
  for (int64_t j = 0; j < m; j++) {
    mpt_wide *u = f->left + j * inside;
    f->s[j] = size(inside, u);
    for (int64_t i = 0; i < inside && f->s[j] > 0; i++) u[i] /= f->s[j];
  }
}

mpt_status mpt_frame_start(const int32_t *multiplet, double epsilon, mpt_spectral_frame *f) {
  const int64_t inside = f->stop - f->first, m = f->columns;
  if (!mpt_whole_multiplets(f->n, multiplet, f->first, f->stop)) return MPT_STATUS_SPLIT_MULTIPLET;
  double largest = 0, smallest = INFINITY;
  for (int64_t j = 0; j < m; j++) {
    double norm = 0;
    for (int64_t i = 0; i < f->n; i++) norm = hypot(norm, cabs(f->r[i * m + j]));
    largest = fmax(largest, norm);
  }
  decompose(f);
  for (int64_t j = 0; j < m; j++) smallest = fmin(smallest, f->s[j]);
  if (!(smallest > 8 * (double)f->n * epsilon * largest)) return MPT_STATUS_FUNCTION_UNDEFINED;
  f->condition = largest / smallest;
  for (int64_t i = 0; i < inside; i++)
    for (int64_t j = 0; j < m; j++) {
      mpt_wide sum = 0;
      for (int64_t k = 0; k < m; k++) sum += f->left[k * inside + i] * conj(f->right[k * m + j]);
      f->polar[i * m + j] = sum;
    }
  return MPT_STATUS_OK;
}

/* Multiplies row i of y by right, or by its conjugate transpose (`back`), into out. */
static void turn_row(const mpt_spectral_frame *f, const mpt_wide *row, bool back, mpt_wide *out) {
  const int64_t m = f->columns;
  for (int64_t j = 0; j < m; j++) {
    out[j] = 0;
    for (int64_t k = 0; k < m; k++)
      out[j] += row[k] * (back ? conj(f->right[k * m + j]) : f->right[j * m + k]);
  }
}

void mpt_frame_pull_back(mpt_spectral_frame *f) {
  const int64_t inside = f->stop - f->first, m = f->columns;
  mpt_wide *k = f->small, *row = k + m * m; /* [m, m], and [m] out of the following m^2 */
  for (int64_t i = 0; i < f->n; i++) {      /* y = y W */
    turn_row(f, f->y + i * m, false, row);
    memcpy(f->y + i * m, row, sizeof *row * (size_t)m);
  }
  mpt_wide *in = f->y + f->first * m;
  for (int64_t a = 0; a < m; a++) /* K = U^H y */
    for (int64_t b = 0; b < m; b++) {
      k[a * m + b] = 0;
      for (int64_t i = 0; i < inside; i++)
        k[a * m + b] += conj(f->left[a * inside + i]) * in[i * m + b];
    }
  for (int64_t i = 0; i < f->n; i++) {
    const bool is_inside = i >= f->first && i < f->stop;
    for (int64_t b = 0; b < m; b++) {
      row[b] = f->y[i * m + b] / f->s[b];
      for (int64_t a = 0; a < m && is_inside; a++) {
        const mpt_wide skew = k[a * m + b] - conj(k[b * m + a]);
        row[b] += f->left[a * inside + i - f->first] *
                  (skew / (f->s[a] + f->s[b]) - k[a * m + b] / f->s[b]);
      }
    }
    turn_row(f, row, true, f->y + i * m);
  }
}
