/* The properties that a solution must have, checked in double precision in plain loops. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "harness.h"

/* LAPACK's own tests allow 30 to 50. The unit has an absolute part for tiny n. */
static const double residual_bound = 4, orthogonality_bound = 4, eigenvalue_bound = 10;
static double unit_of(const run *r) {
  return (double)(r->n + 4) * mpt_type_epsilon(r->type);
}

typedef double _Complex z;

/* Matrices in double precision; A is multiplied by the power of two that brings its norm near 1. */
typedef struct view {
  int64_t n, from, to; /* this rank's share of the columns */
  double norm;
  z *a, *v, *t; /* t is workspace */
  double *w;
} view;

static view view_of(const bench *b, const run *r, int64_t k, const matrix *m) {
  const int64_t n = r->n;
  view x = {.n = n, .from = n * b->team.rank / b->team.size};
  x.to = n * (b->team.rank + 1) / b->team.size;
  x.a = malloc(sizeof *x.a * (size_t)(n * n + 1));
  x.v = malloc(sizeof *x.v * (size_t)(n * n + 1));
  x.t = calloc((size_t)(n * n + 1), sizeof *x.t);
  x.w = malloc(sizeof *x.w * (size_t)(n + 1));
  long double norm = 0;
  for (int64_t j = 0; j < n; j++)
    norm = fmaxl(norm, fabsl(m->known ? m->w[j] : (long double)r->w[k * n + j]));
  int e = norm > 0 ? ilogbl(norm) : 0;
  x.norm = (double)ldexpl(norm, -e);
  for (int64_t i = 0; i < n * n; i++) {
    x.a[i] = (z)(m->a[i] * ldexpl(1, -e));
    x.v[i] = (z)r->v[k * n * n + i];
  }
  for (int64_t j = 0; j < n; j++) x.w[j] = (double)ldexpl(r->w[k * n + j], -e);
  return x;
}

static void view_free(view *x) {
  free(x->a);
  free(x->v);
  free(x->t);
  free(x->w);
}

/* The largest 2-norm of a column of A V - V w. */
static double residual(view *x) {
  const int64_t n = x->n;
  double worst = 0;
  for (int64_t i = 0; i < n; i++) {
    z *row = x->t + i * n;
    for (int64_t j = x->from; j < x->to; j++) row[j] = -x->v[i * n + j] * x->w[j];
    for (int64_t l = 0; l < n; l++)
      for (int64_t j = x->from; j < x->to; j++) row[j] += x->a[i * n + l] * x->v[l * n + j];
  }
  for (int64_t j = x->from; j < x->to; j++) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += creal(x->t[i * n + j] * conj(x->t[i * n + j]));
    if (!(sqrt(sum) <= worst)) worst = sqrt(sum);
  }
  return worst;
}

/* The largest element of V^H V - 1. */
static double orthogonality(view *x) {
  const int64_t n = x->n;
  double worst = 0;
  memset(x->t, 0, sizeof *x->t * (size_t)(n * n));
  for (int64_t l = 0; l < n; l++)
    for (int64_t i = x->from; i < x->to; i++)
      for (int64_t j = 0; j < n; j++) x->t[i * n + j] += conj(x->v[l * n + i]) * x->v[l * n + j];
  for (int64_t i = x->from; i < x->to; i++)
    for (int64_t j = 0; j < n; j++) {
      double d = cabs(x->t[i * n + j] - (i == j));
      if (!(d <= worst)) worst = d;
    }
  return worst;
}

/* The first component that is as large as the largest, within the documented tolerance, is real and
 * positive. If several are within the tolerance, any of them may be. */
static bool phase_is_right(const view *x, int64_t j, double tolerance) {
  const int64_t n = x->n;
  double largest = 0;
  for (int64_t i = 0; i < n; i++) largest = fmax(largest, cabs(x->v[i * n + j]));
  for (int64_t i = 0; i < n; i++) {
    z u = x->v[i * n + j];
    if (cabs(u) < largest * (1 - 1.01 * tolerance)) continue;
    if (cimag(u) == 0 && creal(u) > 0) return true;
    if (cabs(u) >= largest * (1 - 0.99 * tolerance)) return false;
  }
  return false;
}

/* For matrices without a closed form: trace, Frobenius norm, and Sturm counts in the four widest
 * gaps. */
static double invariants(const view *x, const matrix *m, const double *w) {
  const int64_t n = x->n;
  double trace = 0, square = 0, worst;
  for (int64_t i = 0; i < n * n; i++) square += creal(x->a[i] * conj(x->a[i]));
  for (int64_t i = 0; i < n; i++) {
    trace += creal(x->a[i * n + i]) - x->w[i];
    square -= x->w[i] * x->w[i];
  }
  worst = fmax(fabs(trace) / n, fabs(square) / n / x->norm);
  double width = INFINITY;
  for (int k = 0; k < 4; k++) {
    int64_t at = -1;
    for (int64_t i = 1; i < n; i++)
      if (w[i] - w[i - 1] < width && (at < 0 || w[i] - w[i - 1] > w[at] - w[at - 1])) at = i;
    if (at < 0) break;
    width = w[at] - w[at - 1];
    if (width <= 1e-4 * fabs(w[n - 1])) break;
    /* Not in the middle of the gap, where symmetry may make a pivot exactly zero. */
    if (eigenvalues_below(m, w[at - 1] + (w[at] - w[at - 1]) * 0.4382L) != at) return INFINITY;
  }
  return worst;
}

static double eigenvalue_error(const view *x, const matrix *m, const double *w) {
  if (!m->known) return x->n ? invariants(x, m, w) : 0;
  long double worst = 0;
  for (int64_t j = 0; j < x->n; j++) {
    long double d = fabsl(w[j] - m->w[j]);
    if (!(d <= worst)) worst = d;
  }
  long double norm = x->n ? fmaxl(fabsl(m->w[0]), fabsl(m->w[x->n - 1])) : 0;
  return norm > 0 ? (double)(worst / norm) * x->norm : (double)worst;
}

void check_solution(const bench *b, const run *r, int64_t k, const matrix *m, const char *what) {
  const double unit = unit_of(r), *w = r->w + k * r->n;
  const char *name = bench_name(b), *type = mpt_type_name(r->type);
  const long long n = r->n;
  CHECK(mpt_status_is_solved(r->report[k].status), "%s: %s %s n=%lld: status %s", name, what, type,
        n, mpt_status_name(r->report[k].status));
  for (int64_t j = 1; j < n; j++)
    CHECK(w[j - 1] <= w[j], "%s: %s %s n=%lld: not ascending at %lld", name, what, type, n,
          (long long)j);
  view x = view_of(b, r, k, m);
  double error = eigenvalue_error(&x, m, w) / unit;
  CHECK(error <= eigenvalue_bound * x.norm, "%s: %s %s n=%lld: eigenvalues off by %g units", name,
        what, type, n, error);
  if (!r->values_only) {
    double res = residual(&x) / unit, ortho = orthogonality(&x) / unit;
    double phase = (8 * (double)n + 1000) * mpt_type_epsilon(r->type);
    CHECK(res <= residual_bound * x.norm, "%s: %s %s n=%lld: residual %g", name, what, type, n,
          res);
    CHECK(ortho <= orthogonality_bound, "%s: %s %s n=%lld: orthogonality %g", name, what, type, n,
          ortho);
    for (int64_t j = x.from; j < x.to; j++)
      CHECK(phase_is_right(&x, j, phase), "%s: %s %s n=%lld: phase of vector %lld", name, what,
            type, n, (long long)j);
  }
  view_free(&x);
}
