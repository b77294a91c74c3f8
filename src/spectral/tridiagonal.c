#include "spectral/tridiagonal.h"

#include <complex.h>
#include <math.h>

typedef double _Complex cplx;

/* P (T - z I) = L U, row by row: the inverse of U's diagonal, U's two superdiagonals, and L's
 * multipliers. No pivot vanishes: one that is not interchanged has an imaginary part of at least Im
 * z. */
typedef struct factors {
  cplx *inverse, *next, *multiplier;
  double *second;
  bool *swapped;
} factors;

static double size2(cplx x) {
  return creal(x) * creal(x) + cimag(x) * cimag(x);
}

static void factorize(int64_t n, const double *d, const double *e, cplx z, const factors *f) {
  cplx pivot = d[0] - z, right = n > 1 ? e[0] : 0;
  for (int64_t i = 0; i + 1 < n; i++) {
    const double below = e[i], beyond = i + 2 < n ? e[i + 1] : 0;
    const cplx diagonal = d[i + 1] - z;
    f->swapped[i] = below * below > size2(pivot);
    if (f->swapped[i]) {
      f->multiplier[i] = pivot / below;
      f->inverse[i] = 1 / below;
      f->next[i] = diagonal;
      f->second[i] = beyond;
      pivot = right - f->multiplier[i] * diagonal;
      right = -f->multiplier[i] * beyond;
    } else {
      f->inverse[i] = 1 / pivot;
      f->multiplier[i] = below * f->inverse[i];
      f->next[i] = right;
      f->second[i] = 0;
      pivot = diagonal - f->multiplier[i] * right;
      right = beyond;
    }
  }
  f->inverse[n - 1] = 1 / pivot;
}

/* Adds Re of the solution for the real right-hand side in x to y[i parts]. */
static void substitute(int64_t n, const factors *f, cplx *x, int parts, double *y) {
  for (int64_t i = 0; i + 1 < n; i++) {
    const cplx upper = f->swapped[i] ? x[i + 1] : x[i];
    x[i + 1] = (f->swapped[i] ? x[i] : x[i + 1]) - f->multiplier[i] * upper;
    x[i] = upper;
  }
  cplx first = 0, second = 0; /* x_{i+1} and x_{i+2} */
  for (int64_t i = n - 1; i >= 0; i--) {
    const cplx rest = i + 1 < n ? f->next[i] * first + f->second[i] * second : 0;
    second = first;
    first = (x[i] - rest) * f->inverse[i];
    y[i * parts] += creal(first);
  }
}

/* x = -(c + (T - shift I) y). */
static void residual(int64_t n, const double *d, const double *e, double shift, int parts,
                     const double *c, const double *y, cplx *x) {
  for (int64_t i = 0; i < n; i++) {
    double r = c[i * parts] + (d[i] - shift) * y[i * parts];
    if (i > 0) r += e[i - 1] * y[(i - 1) * parts];
    if (i + 1 < n) r += e[i] * y[(i + 1) * parts];
    x[i] = -r;
  }
}

void mpt_solve_tridiagonal(int64_t n, const double *d, const double *e, double shift, double blur,
                           int parts, double *y, double *memory) {
  cplx *const wide = (cplx *)memory, *const x = wide + 3 * n;
  double *const narrow = (double *)(wide + 4 * n), *const c = narrow + 2 * n;
  const factors f = {wide, wide + n, wide + 2 * n, narrow, (bool *)(narrow + n)};
  if (n == 0) return;
  factorize(n, d, e, shift + blur * I, &f);
  for (int64_t i = 0; i < n * parts; i++) {
    c[i] = y[i];
    y[i] = 0;
  }
  for (int step = 0; step < 3; step++)
    for (int p = 0; p < parts; p++) {
      residual(n, d, e, shift, parts, c + p, y + p, x);
      substitute(n, &f, x, parts, y + p);
    }
}
