#include "tridiagonal.h"

#include <math.h>
#include <string.h>

/* P (T - shift I) = L U, row by row: U's diagonal (inverted) and the two beside it, and L's
 * multipliers; a row that was interchanged has the sign bit of `swapped` set. */
typedef struct factors {
  double *inverse, *next, *second, *multiplier;
  bool *swapped;
} factors;

static double away_from_zero(double pivot, double tiny) {
  return fabs(pivot) < tiny ? copysign(tiny, pivot) : pivot;
}

static void factorize(int64_t n, const double *d, const double *e, double shift, double tiny,
                      const factors *f) {
  double pivot = d[0] - shift, right = n > 1 ? e[0] : 0;
  for (int64_t i = 0; i + 1 < n; i++) {
    const double below = e[i], diagonal = d[i + 1] - shift, beyond = i + 2 < n ? e[i + 1] : 0;
    f->swapped[i] = fabs(below) > fabs(pivot);
    if (f->swapped[i]) {
      f->multiplier[i] = pivot / below;
      f->inverse[i] = 1 / away_from_zero(below, tiny);
      f->next[i] = diagonal;
      f->second[i] = beyond;
      pivot = right - f->multiplier[i] * diagonal;
      right = -f->multiplier[i] * beyond;
    } else {
      f->inverse[i] = 1 / away_from_zero(pivot, tiny);
      f->multiplier[i] = below * f->inverse[i];
      f->next[i] = right;
      f->second[i] = 0;
      pivot = diagonal - f->multiplier[i] * right;
      right = beyond;
    }
  }
  f->inverse[n - 1] = 1 / away_from_zero(pivot, tiny);
}

static void substitute(int64_t n, const factors *f, int parts, double *y) {
  for (int p = 0; p < parts; p++) {
    double *x = y + p;
    for (int64_t i = 0; i + 1 < n; i++, x += parts) {
      const double upper = f->swapped[i] ? x[parts] : x[0];
      x[parts] = (f->swapped[i] ? x[0] : x[parts]) - f->multiplier[i] * upper;
      x[0] = upper;
    }
    double first = 0, second = 0; /* y_{i+1} and y_{i+2} */
    for (int64_t i = n - 1; i >= 0; i--, x -= parts) {
      const double rest = i + 1 < n ? f->next[i] * first + f->second[i] * second : 0;
      second = first;
      first = *x = (*x - rest) * f->inverse[i];
    }
  }
}

void mpt_solve_tridiagonal(int64_t n, const double *d, const double *e, double shift, double tiny,
                           int parts, double *y, double *memory) {
  const factors f = {memory, memory + n, memory + 2 * n, memory + 3 * n, (bool *)(memory + 4 * n)};
  double *right = memory + 5 * n;
  if (n == 0) return;
  factorize(n, d, e, shift, tiny, &f);
  for (int64_t i = 0; i < n * parts; i++) right[i] = y[i] = -y[i];
  substitute(n, &f, parts, y);
  for (int64_t i = 0; i < n; i++)
    for (int p = 0; p < parts; p++) {
      double *r = right + i * parts + p;
      const double *x = y + i * parts + p;
      *r -= (d[i] - shift) * x[0];
      if (i > 0) *r -= e[i - 1] * x[-parts];
      if (i + 1 < n) *r -= e[i] * x[parts];
    }
  substitute(n, &f, parts, right);
  for (int64_t i = 0; i < n * parts; i++) y[i] += right[i];
}
