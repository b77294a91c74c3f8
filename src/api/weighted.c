/* Occupations of matrices that share one chemical potential, composed of the calls for each matrix.
 * V diag(x) V^H is what mpt_eigh_backward() makes of cotangents x of eigenvalues. */
#include <multiplet/function.h>
#include <multiplet/gradient.h>

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "api/arguments.h"
#include "base/base.h"
#include "spectral/spectral.h"
#include "spectral/tiles.h"

typedef struct task {
  mpt_type type;
  int64_t n, count;
  mpt_options options; /* cotangents of eigenvalues stay as they are */
  mpt_function function;
  const double *weights;
  double *w, *occupations, *slopes, *response; /* [count n] each */
  double *row;                                 /* two rows of a matrix */
  void *reals, *matrices;                      /* [count, n], [count, n, n] */
  int32_t *multiplet;                          /* [count, n] */
  mpt_report *report;                          /* [count], of calls whose reports nobody sees */
  double mu;
} task;

static size_t bytes_of_matrix(const task *t) {
  return (size_t)(t->n * t->n) * mpt_type_size(t->type);
}

/* Checks what the calls for each matrix do not, and makes room. */
static mpt_code open(task *t, const mpt_batch *batch, bool backward, const mpt_options *options,
                     const mpt_function *function, mpt_error *error) {
  mpt_code code = MPT_DONE;
  const int64_t n = t->n;
  if (options && !mpt_receive(options, &t->options, sizeof t->options))
    return mpt_refuse("options.size", error);
  if (!mpt_receive(function, &t->function, sizeof t->function))
    return mpt_refuse("function.size", error);
  if (!(t->function.electrons > 0)) return mpt_refuse("function, which has no electrons", error);
  const char *wrong = mpt_wrong_argument(batch, &t->options, backward);
  if (wrong) return mpt_refuse(wrong, error);
  if (!t->weights && t->count) return mpt_refuse("a null array", error);
  t->options.size = sizeof t->options;
  t->function.size = sizeof t->function;
  const int64_t m = t->count * n, each = mpt_type_is_complex(t->type) ? 2 : 1;
  TRY(mpt_allocate(&t->w, 4 * m + 2 * each * n + 1, sizeof *t->w, "levels", error));
  t->occupations = t->w + m;
  t->slopes = t->occupations + m;
  t->response = t->slopes + m;
  t->row = t->response + m;
  TRY(mpt_allocate(&t->reals, m + 1, mpt_real_size(t->type), "levels", error));
  TRY(mpt_allocate(&t->multiplet, m + 1, sizeof *t->multiplet, "levels", error));
  TRY(mpt_allocate(&t->report, t->count + 1, sizeof *t->report, "reports", error));
  /* whether function, weights and electrons are right does not depend on the levels */
  TRY(mpt_occupations(n, t->count, &t->function, t->weights, t->w, NULL, NULL, NULL, NULL, error));
done:
  return code;
}

static void close(task *t) {
  free(t->w);
  free(t->reals);
  free(t->matrices);
  free(t->multiplet);
  free(t->report);
}

/* The first matrix that failed, or -1. */
static int64_t first_failed(const task *t, const mpt_report *report) {
  for (int64_t k = 0; k < t->count; k++)
    if (mpt_status_is_failure((mpt_status)report[k].status) || report[k].refused) return k;
  return -1;
}

static void fail_others(const task *t, mpt_status status, mpt_report *report) {
  for (int64_t k = 0; k < t->count; k++)
    if (!mpt_status_is_failure((mpt_status)report[k].status)) report[k].status = (int8_t)status;
}

static mpt_code occupy(task *t, const void *w, mpt_error *error) {
  mpt_reals_to_double(t->type, t->count * t->n, w, t->w);
  return mpt_occupations(t->n, t->count, &t->function, t->weights, t->w, t->occupations, t->slopes,
                         t->response, &t->mu, error);
}

/* out = V diag(x) V^H for all matrices. */
static mpt_code put_together(const task *t, const void *w, const void *v, const double *x,
                             void *out, mpt_error *error) {
  mpt_options options = t->options;
  options.spread_policy = MPT_SPREAD_RAW;
  mpt_doubles_to_real(t->type, t->count * t->n, x, t->reals);
  return mpt_eigh_backward(t->type, t->n, t->count, &options, NULL, w, v, t->reals, NULL, out,
                           t->multiplet, t->report, error);
}

/* One matrix failed: there is no mu. */
static void spoil(task *t, void *f, void *w, void *v, mpt_report *report) {
  fail_others(t, MPT_STATUS_FUNCTION_UNDEFINED, report);
  if (t->n && t->count) {
    memset(f, 0, (size_t)t->count * bytes_of_matrix(t));
    memset(v, 0, (size_t)t->count * bytes_of_matrix(t));
    memset(w, 0, (size_t)(t->count * t->n) * mpt_real_size(t->type));
  }
  t->mu = 0;
}

mpt_code mpt_weighted_function(mpt_type type, int64_t n, int64_t count, const mpt_options *options,
                               const mpt_function *function, const double *weights, const void *a,
                               void *f, void *w, void *v, double *mu, int32_t *multiplet,
                               mpt_report *report, mpt_error *error) {
  mpt_code code = MPT_DONE;
  task t = {.type = type, .n = n, .count = count, .weights = weights};
  const mpt_batch all = mpt_memory_batch(type, n, count, a, w, v, multiplet, report);
  TRY(open(&t, &all, false, options, function, error));
  if (n && count && (!f || !v)) TRY(mpt_refuse("a null array", error));
  TRY(mpt_eigh(type, n, count, &t.options, a, w, v, multiplet, report, error));
  if (first_failed(&t, report) < 0) {
    TRY(occupy(&t, w, error));
    TRY(put_together(&t, w, v, t.occupations, f, error));
    if (first_failed(&t, t.report) >= 0) t.mu = NAN;
    for (int64_t k = 0; k < count; k++) report[k].output_residual = t.report[k].output_residual;
  } else {
    t.mu = NAN;
  }
  if (isnan(t.mu)) spoil(&t, f, w, v, report);
  if (mu) *mu = t.mu;
done:
  close(&t);
  return code;
}

/* Re <x, y>, and the squares of both, of two matrices. */
typedef struct sums {
  double product, x2, y2;
} sums;

static sums sum_over(const task *t, const void *x, const void *y) {
  const int64_t length = (mpt_type_is_complex(t->type) ? 2 : 1) * t->n;
  const size_t bytes = (size_t)length * mpt_real_size(t->type);
  double *a = t->row, *b = t->row + length;
  sums s = {0};
  for (int64_t i = 0; i < t->n; i++) {
    mpt_reals_to_double(t->type, length, (const char *)x + (size_t)i * bytes, a);
    mpt_reals_to_double(t->type, length, (const char *)y + (size_t)i * bytes, b);
    for (int64_t j = 0; j < length; j++) {
      s.product += a[j] * b[j];
      s.x2 += a[j] * a[j];
      s.y2 += b[j] * b[j];
    }
  }
  return s;
}

/* The share of a slope that the rounding of an eigenvalue changes. */
static double rounding_of_slopes(const task *t) {
  const mpt_function *f = &t->function;
  const double steepest = f->kind == MPT_FUNCTION_FERMI ? f->beta : 4 / f->sigma;
  const double size = mpt_spectral_norm(t->count * t->n, t->w);
  return mpt_resolution(t->type, t->n) * (1 + fmin(steepest * size, DBL_MAX));
}

/* g -= change * x, in the arithmetic of double; *report's estimate follows, for an error of
 * `uncertain` of the change. */
static void subtract(const task *t, void *g, double change, double uncertain, const void *x,
                     mpt_report *report) {
  const int64_t length = (mpt_type_is_complex(t->type) ? 2 : 1) * t->n;
  const size_t bytes = (size_t)length * mpt_real_size(t->type);
  double *a = t->row, *b = t->row + length, before = 0, after = 0, taken = 0;
  for (int64_t i = 0; i < t->n; i++) {
    void *to = (char *)g + (size_t)i * bytes;
    mpt_reals_to_double(t->type, length, to, a);
    mpt_reals_to_double(t->type, length, (const char *)x + (size_t)i * bytes, b);
    for (int64_t j = 0; j < length; j++) {
      before += a[j] * a[j];
      taken += b[j] * b[j];
      a[j] -= change * b[j];
      after += a[j] * a[j];
    }
    mpt_doubles_to_real(t->type, length, a, to);
  }
  const double rounding = fabs(change) * rounding_of_slopes(t) + uncertain;
  const double error = hypot(report->gradient_error * sqrt(before), rounding * sqrt(taken));
  const double share = error > 0 ? error / sqrt(after) : 0;
  report->gradient_error = share <= 1e300 ? share : 1e300;
}

/* Takes T V_k diag(response_k) V_k^H off, T = sum slopes C_ii = sum_k Re <V_k diag(slopes_k) V_k^H,
 * gF_k>. */
static mpt_code respond(task *t, const void *w, const void *v, const void *gf, void *g,
                        mpt_report *report, mpt_error *error) {
  mpt_code code = MPT_DONE;
  const size_t bytes = bytes_of_matrix(t);
  double total = 0, uncertain = 0;
  TRY(mpt_allocate(&t->matrices, t->count * t->n * t->n + 1, mpt_type_size(t->type), "gradients",
                   error));
  TRY(put_together(t, w, v, t->slopes, t->matrices, error));
  for (int64_t k = 0; k < t->count; k++) {
    const size_t at = (size_t)k * bytes;
    const sums s = sum_over(t, (char *)t->matrices + at, (const char *)gf + at);
    total += s.product;
    uncertain = hypot(uncertain, sqrt(s.x2) * sqrt(s.y2));
  }
  uncertain *= rounding_of_slopes(t);
  TRY(put_together(t, w, v, t->response, t->matrices, error));
  for (int64_t k = 0; k < t->count; k++) {
    const size_t at = (size_t)k * bytes;
    subtract(t, (char *)g + at, total, uncertain, (char *)t->matrices + at, &report[k]);
  }
done:
  return code;
}

mpt_code mpt_weighted_function_backward(mpt_type type, int64_t n, int64_t count,
                                        const mpt_options *options, const mpt_function *function,
                                        const double *weights, const void *w, const void *v,
                                        const void *gf, void *g, int32_t *multiplet,
                                        mpt_report *report, mpt_error *error) {
  mpt_code code = MPT_DONE;
  task t = {.type = type, .n = n, .count = count, .weights = weights};
  mpt_batch all = mpt_memory_batch(type, n, count, NULL, w, v, multiplet, report);
  all.given = true;
  all.g = g;
  TRY(open(&t, &all, true, options, function, error));
  if (n && count && !gf) TRY(mpt_refuse("a null array", error));
  TRY(occupy(&t, w, error));
  mpt_function fixed = t.function;
  fixed.electrons = 0;
  fixed.mu = t.mu;
  TRY(mpt_matrix_function_backward(type, n, count, &t.options, &fixed, NULL, w, v, gf, g, multiplet,
                                   report, error));
  const int64_t failed = first_failed(&t, report);
  if (failed < 0) {
    TRY(respond(&t, w, v, gf, g, report, error));
  } else {
    fail_others(&t, (mpt_status)report[failed].status, report);
    memset(g, 0, (size_t)count * bytes_of_matrix(&t));
  }
done:
  close(&t);
  return code;
}
