#include "spectral/function.h"

#include <math.h>
#include "spectral/occupation.h"
#include "spectral/kinds.h"

static bool is_kind(int kind) {
  return kind >= 0 && kind < MPT_FUNCTION_KINDS;
}

const char *mpt_function_name(int kind) {
  return is_kind(kind) ? mpt_kinds[kind].name : NULL;
}

const mpt_parameter *mpt_function_parameter(int kind, int index) {
  if (!is_kind(kind) || index < 0 || index >= MPT_MOST_PARAMETERS) return NULL;
  const mpt_parameter *parameter = &mpt_kinds[kind].parameters[index];
  return parameter->name ? parameter : NULL;
}

static const void *member(const mpt_function *f, const mpt_parameter *p) {
  return (const char *)f + p->offset;
}

double mpt_parameter_number(const mpt_function *f, const mpt_parameter *p) {
  return *(const double *)member(f, p);
}

const int64_t *mpt_function_range(const mpt_function *f) {
  const mpt_parameter *p;
  for (int k = 0; (p = mpt_function_parameter((int)f->kind, k)); k++)
    if (p->domain == MPT_DOMAIN_INDEX) return member(f, p);
  return NULL;
}

bool mpt_parameter_takes(const mpt_parameter *p, double x) {
  switch (p->domain) {
  case MPT_DOMAIN_NUMBER:
    break;
  case MPT_DOMAIN_NONZERO:
    return isfinite(x) && x != 0;
  case MPT_DOMAIN_POSITIVE:
  case MPT_DOMAIN_BELOW_N:
    return isfinite(x) && x > 0;
  case MPT_DOMAIN_INDEX:
    return false;
  case MPT_DOMAIN_ORDER:
    return x == floor(x) && x >= 1 && x <= MPT_MOST_ORDER;
  }
  return isfinite(x);
}

static bool parameter_fits(const mpt_function *f, const mpt_parameter *p, int64_t n) {
  if (p->domain == MPT_DOMAIN_INDEX) {
    const int64_t *range = mpt_function_range(f);
    return range[0] >= 0 && range[0] < range[1] && range[1] <= n;
  }
  const double x = mpt_parameter_number(f, p);
  if (x == 0 && p->need != MPT_NEED_REQUIRED) return true; /* not given */
  return mpt_parameter_takes(p, x) && (p->domain != MPT_DOMAIN_BELOW_N || x < (double)n);
}

bool mpt_function_fits(const mpt_function *f, int64_t n) {
  const mpt_parameter *p;
  if (!is_kind((int)f->kind)) return false;
  for (int k = 0; (p = mpt_function_parameter((int)f->kind, k)); k++)
    if (!parameter_fits(f, p, n)) return false;
  return true;
}

double mpt_divided_difference(const mpt_spectral_function *f, int64_t i, int64_t j) {
  const mpt_kind *kind = &mpt_kinds[f->function->kind];
  const bool zero[2] = {mpt_is_null(f, i), mpt_is_null(f, j)};
  if (zero[0] && zero[1]) return 0;
  if (zero[0] || zero[1]) return f->factor * (f->value[zero[0] ? j : i] / f->x[zero[0] ? j : i]);
  const bool rises =
      kind->value && (f->x[i] < f->x[j] || (f->x[i] == f->x[j] && f->low[i] < f->low[j]));
  return rises ? kind->difference(f, j, i) : kind->difference(f, i, j);
}

/* x + low = factor (w - mu). */
static void set_argument(mpt_spectral_function *f, int64_t i) {
  double low;
  const double shifted = mpt_two_sum(f->w[i], -f->mu, &low), product = f->factor * shifted;
  f->x[i] = product;
  const double rest = f->factor * (low - f->mu_low) + f->factor_low * shifted;
  f->low[i] = isfinite(product) ? fma(f->factor, shifted, -product) + rest : 0;
}

static mpt_status start_scaled(mpt_spectral_function *f) {
  f->factor = f->function->scale != 0 ? f->function->scale : 1;
  return MPT_STATUS_OK;
}

/* Finds what counts as zero. */
static void find_null(mpt_spectral_function *f, double rounding) {
  const mpt_kind *kind = &mpt_kinds[f->function->kind];
  const mpt_at_zero at_zero = kind->at_zero ? kind->at_zero(f->function) : MPT_ZERO_PLAIN;
  f->steep = at_zero == MPT_ZERO_STEEP;
  if (at_zero == MPT_ZERO_PLAIN) return;
  while (f->null[0] < f->m && f->w[f->null[0]] < -rounding) f->null[0]++;
  f->null[1] = f->null[0];
  while (f->null[1] < f->m && f->w[f->null[1]] <= rounding) f->null[1]++;
}

static mpt_status evaluate(mpt_spectral_function *f, int64_t i) {
  const mpt_function *function = f->function;
  const mpt_kind *kind = &mpt_kinds[function->kind];
  if (mpt_is_null(f, i)) {
    f->x[i] = f->low[i] = f->value[i] = f->rest[i] = 0;
    return MPT_STATUS_OK;
  }
  set_argument(f, i);
  f->value[i] = kind->value(function, f->x[i], f->low[i], &f->rest[i]);
  const bool exists = !kind->exists || kind->exists(function, f->x[i]);
  return exists && isfinite(f->value[i]) ? MPT_STATUS_OK : MPT_STATUS_FUNCTION_UNDEFINED;
}

mpt_status mpt_function_start(const mpt_function *function, int64_t m, const double *w,
                              const int32_t *multiplet, double rounding, double *memory,
                              mpt_spectral_function *out) {
  const mpt_kind *kind = &mpt_kinds[function->kind];
  mpt_spectral_function f = {.function = function, .m = m, .w = w};
  f.x = memory;
  f.low = memory + m;
  f.value = memory + 2 * m;
  f.rest = memory + 3 * m;
  f.slope = memory + 4 * m;
  mpt_status status = kind->start ? kind->start(&f, multiplet) : start_scaled(&f);
  find_null(&f, rounding);
  for (int64_t i = 0; i < m && kind->value; i++) {
    const mpt_status found = evaluate(&f, i);
    if (found != MPT_STATUS_OK) status = found;
  }
  for (int64_t i = 0; i < m && status == MPT_STATUS_OK; i++)
    f.slope[i] = mpt_divided_difference(&f, i, i);
  if (f.weight)
    mpt_occupation_response(function, &(mpt_levels){.m = m, .w = w}, f.mu, f.mu_low, f.weight);
  *out = f;
  return status;
}

double mpt_function_reach(const mpt_spectral_function *f) {
  return mpt_kinds[f->function->kind].reach(f);
}

/* How much f' differs from its values on either side, by the function's own differences. */
static double turn_of(const mpt_spectral_function *f, int64_t i, double shift) {
  double memory[2 * MPT_FUNCTION_MEMORY] = {0};
  mpt_function plain = *f->function;
  const double w[2] = {f->w[i] - shift, f->w[i] + shift};
  const int32_t apart[2] = {0, 1};
  mpt_spectral_function near;
  plain.mu = f->mu;
  plain.electrons = 0;
  return mpt_function_start(&plain, 2, w, apart, 0, memory, &near) == MPT_STATUS_OK
             ? fabs(near.slope[1] - near.slope[0]) / 2
             : fabs(f->slope[i]);
}

/* The same for what counts as zero: an f' that rises from 0 may have done so within rounding, and
 * an infinite one is left out. */
static double turn_of_null(const mpt_spectral_function *f, double shift) {
  const double x = fabs(f->factor * shift);
  double rest;
  if (f->steep || !(shift > 0)) return 0;
  return mpt_kinds[f->function->kind].value(f->function, x, 0, &rest) / shift;
}

void mpt_function_turns(const mpt_spectral_function *f, double shift, double *out) {
  const mpt_kind *kind = &mpt_kinds[f->function->kind];
  const bool null = f->null[0] < f->null[1];
  for (int64_t i = 0; i < f->m; i++) {
    if (mpt_is_null(f, i)) {
      out[i] = turn_of_null(f, shift);
      continue;
    }
    out[i] = kind->turn ? kind->turn(f, i, shift) : turn_of(f, i, shift);
    /* of f[0, w_i] = f(w_i) / w_i, which may change by more than f' */
    if (null) out[i] = fmax(out[i], shift / fabs(f->w[i]) * fabs(f->value[i] / f->w[i]));
  }
}
