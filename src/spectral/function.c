#include "spectral/function.h"

#include <math.h>
#include "spectral/fermi.h"

static const char *const names[] = {[MPT_FUNCTION_EXP] = "exp",
                                    [MPT_FUNCTION_LOG] = "log",
                                    [MPT_FUNCTION_SQRT] = "sqrt",
                                    [MPT_FUNCTION_INV_SQRT] = "inv_sqrt",
                                    [MPT_FUNCTION_INVERSE] = "inverse",
                                    [MPT_FUNCTION_POWER] = "power",
                                    [MPT_FUNCTION_TANH] = "tanh",
                                    [MPT_FUNCTION_SIN] = "sin",
                                    [MPT_FUNCTION_COS] = "cos",
                                    [MPT_FUNCTION_FERMI] = "fermi",
                                    [MPT_FUNCTION_PROJECTOR] = "projector"};
_Static_assert(sizeof names / sizeof *names == MPT_FUNCTION_KINDS,
               "a kind of function has no name");

const char *mpt_function_name(int kind) {
  return kind >= 0 && kind < MPT_FUNCTION_KINDS ? names[kind] : NULL;
}

/* (1 - exp(-d)) / d for d >= 0. */
static double slowing(double d) {
  return d > 0 ? -expm1(-d) / d : 1;
}

/* a + b, and what rounding took off it. */
static double add(double a, double b, double *low) {
  const double sum = a + b, part = sum - a;
  *low = (a - (sum - part)) + (b - part);
  return sum;
}

static bool is_whole(double x) {
  return x == floor(x) && fabs(x) < 0x1p53;
}

/* u^(p) [u, v] for u >= v > 0. */
static double power_difference(double p, double u, double v) {
  const double t = u / v <= 2 ? log1p((u - v) / v) : log(u) - log(v);
  if (u == v) return p * pow(u, p - 1);
  if (fabs(p * t) <= 1 && t < 700) return pow(v, p - 1) * (expm1(p * t) / expm1(t));
  return (pow(u, p) - pow(v, p)) / (u - v);
}

/* The same for any two numbers and whole p. */
static double whole_power_difference(double p, double x, double y) {
  const double u = fmax(fabs(x), fabs(y)), v = fmin(fabs(x), fabs(y));
  const bool odd = fmod(p, 2) != 0, facing = (x > 0) != (y > 0);
  if (p == 0 || u == 0) return p == 1; /* p >= 0 where there is a zero: else undefined */
  if (v == 0) return pow(x + y, p - 1);
  if (!facing) return power_difference(p, u, v) * (x < 0 && !odd ? -1 : 1);
  if (odd) return (pow(u, p) + pow(v, p)) / (u + v);
  const bool positive = (fabs(x) >= fabs(y)) == (x > 0);
  return power_difference(p, u, v) * ((u - v) / (u + v)) * (positive ? 1 : -1);
}

static double log_difference(double x, double y) {
  const double u = fmax(fabs(x), fabs(y)), v = fmin(fabs(x), fabs(y)), sign = x < 0 ? -1 : 1;
  if (u / v <= 2) {
    const double half = u / 2 + v / 2, z = (u / 2 - v / 2) / half;
    return sign / half * (z > 0 ? atanh(z) / z : 1);
  }
  return sign * (isfinite(u / v) ? log(u / v) : log(u) - log(v)) / (u - v);
}

/* sin(d / 2) / (d / 2) of d = a - b, and cos or sin of (a + b) / 2, neither losing digits near a
 * zero. */
static double wave_difference(const mpt_spectral_function *f, int64_t i, int64_t j) {
  double low_d, low_s;
  const double d = add(f->x[i], -f->x[j], &low_d) / 2, s = add(f->x[i], f->x[j], &low_s) / 2;
  low_d = (low_d + f->low[i] - f->low[j]) / 2;
  low_s = (low_s + f->low[i] + f->low[j]) / 2;
  const double sinc = d == 0 ? 1 : (sin(d) + cos(d) * low_d) / (d + low_d);
  if (f->function->kind == MPT_FUNCTION_SIN) return sinc * (cos(s) - sin(s) * low_s);
  return -sinc * (sin(s) + cos(s) * low_s);
}

/* tanh [x, y] for the larger argument i and the smaller j. rest holds exp(-2 |x|). */
static double tanh_difference(const mpt_spectral_function *f, int64_t i, int64_t j, double d) {
  if (f->x[i] > 0 && f->x[j] < 0) return (f->value[i] - f->value[j]) / d;
  const int64_t near = f->x[j] >= 0 ? j : i; /* to zero */
  return 4 * f->rest[near] * slowing(2 * d) / ((1 + f->rest[i]) * (1 + f->rest[j]));
}

static double projector_difference(const mpt_spectral_function *f, int64_t i, int64_t j) {
  if (f->value[i] == f->value[j]) return 0;
  return (f->value[i] - f->value[j]) / (f->w[i] - f->w[j]);
}

double mpt_divided_difference(const mpt_spectral_function *f, int64_t i, int64_t j) {
  if (f->function->kind == MPT_FUNCTION_PROJECTOR) return projector_difference(f, i, j);
  if (f->x[i] < f->x[j] || (f->x[i] == f->x[j] && f->low[i] < f->low[j])) {
    const int64_t larger = j;
    j = i;
    i = larger;
  }
  const double x = f->x[i], y = f->x[j], d = (x - y) + (f->low[i] - f->low[j]);
  switch (f->function->kind) {
  case MPT_FUNCTION_EXP:
    return f->factor * f->value[i] * slowing(d);
  case MPT_FUNCTION_LOG:
    return log_difference(f->w[i], f->w[j]);
  case MPT_FUNCTION_SQRT:
    return f->factor / (f->value[i] + f->value[j]);
  case MPT_FUNCTION_INV_SQRT:
    return -f->factor * f->value[i] * f->value[j] / (sqrt(x) + sqrt(y));
  case MPT_FUNCTION_INVERSE:
    return -f->value[i] / f->w[j];
  case MPT_FUNCTION_POWER:
    return f->factor * (is_whole(f->function->exponent)
                            ? whole_power_difference(f->function->exponent, x, y)
                            : power_difference(f->function->exponent, x, y));
  case MPT_FUNCTION_TANH:
    return f->factor * tanh_difference(f, i, j, d);
  case MPT_FUNCTION_FERMI:
    return -f->factor * f->value[j] * f->rest[i] * slowing(d);
  case MPT_FUNCTION_SIN:
  case MPT_FUNCTION_COS:
  case MPT_FUNCTION_PROJECTOR:
  case MPT_FUNCTION_KINDS:
    break;
  }
  return f->factor * wave_difference(f, i, j);
}

/* 1 / (1 + exp(x + low)), given the smaller of exp(x) and exp(-x). */
static double fermi(double x, double low) {
  const double e = exp(-fabs(x)), other = x > 0 ? 1 / (1 + e) : e / (1 + e);
  return (x > 0 ? e / (1 + e) : 1 / (1 + e)) * (1 - low * other);
}

static double value_at(const mpt_function *f, double x, double low) {
  switch (f->kind) {
  case MPT_FUNCTION_EXP:
    return exp(x) * (1 + low);
  case MPT_FUNCTION_LOG:
    return log(x) + low / x;
  case MPT_FUNCTION_SQRT:
    return sqrt(x);
  case MPT_FUNCTION_INV_SQRT:
    return 1 / sqrt(x);
  case MPT_FUNCTION_INVERSE:
    return 1 / x;
  case MPT_FUNCTION_POWER:
    return pow(x, f->exponent);
  case MPT_FUNCTION_TANH:
    return tanh(x);
  case MPT_FUNCTION_SIN:
    return sin(x) + cos(x) * low;
  case MPT_FUNCTION_COS:
    return cos(x) - sin(x) * low;
  case MPT_FUNCTION_FERMI:
  case MPT_FUNCTION_PROJECTOR:
  case MPT_FUNCTION_KINDS:
    break;
  }
  return fermi(x, low);
}

static bool is_defined(const mpt_function *f, double x) {
  switch (f->kind) {
  case MPT_FUNCTION_LOG:
  case MPT_FUNCTION_SQRT:
  case MPT_FUNCTION_INV_SQRT:
    return x > 0;
  case MPT_FUNCTION_INVERSE:
    return x != 0;
  case MPT_FUNCTION_POWER:
    return x > 0 || (is_whole(f->exponent) && (f->exponent >= 0 || x != 0));
  case MPT_FUNCTION_EXP:
  case MPT_FUNCTION_TANH:
  case MPT_FUNCTION_SIN:
  case MPT_FUNCTION_COS:
  case MPT_FUNCTION_FERMI:
  case MPT_FUNCTION_PROJECTOR:
  case MPT_FUNCTION_KINDS:
    break;
  }
  return true;
}

bool mpt_whole_multiplets(int64_t m, const int32_t *multiplet, int64_t first, int64_t stop) {
  if (first >= stop) return true;
  if (first > 0 && multiplet[first - 1] == multiplet[first]) return false;
  return stop >= m || multiplet[stop - 1] != multiplet[stop];
}

static mpt_status start_projector(mpt_spectral_function *f, const int32_t *multiplet) {
  const int64_t first = f->function->index[0], stop = f->function->index[1];
  for (int64_t i = 0; i < f->m; i++) f->value[i] = i >= first && i < stop;
  return mpt_whole_multiplets(f->m, multiplet, first, stop) ? MPT_STATUS_OK
                                                            : MPT_STATUS_SPLIT_MULTIPLET;
}

/* x + low = factor (w - mu). */
static void set_argument(mpt_spectral_function *f, int64_t i) {
  double low;
  const double shifted = add(f->w[i], -f->mu, &low), product = f->factor * shifted;
  f->x[i] = product;
  f->low[i] = isfinite(product) ? fma(f->factor, shifted, -product) + f->factor * low : 0;
}

/* In the log domain, so that they exist where every f' underflows. */
static void weigh(mpt_spectral_function *f) {
  double largest = -INFINITY, sum = 0;
  for (int64_t i = 0; i < f->m; i++) {
    f->weight[i] = mpt_log_fermi(f->x[i]) + mpt_log_fermi(-f->x[i]);
    largest = fmax(largest, f->weight[i]);
  }
  for (int64_t i = 0; i < f->m; i++) sum += f->weight[i] = exp(f->weight[i] - largest);
  for (int64_t i = 0; i < f->m; i++) f->weight[i] /= sum;
}

mpt_status mpt_function_start(const mpt_function *function, int64_t m, const double *w,
                              const int32_t *multiplet, double *memory,
                              mpt_spectral_function *out) {
  const bool is_fermi = function->kind == MPT_FUNCTION_FERMI;
  double *const rest = memory + 3 * m;
  mpt_spectral_function f = {.function = function, .m = m, .w = w, .rest = rest};
  f.factor = is_fermi ? function->beta : function->scale != 0 ? function->scale : 1;
  f.x = memory;
  f.low = memory + m;
  f.value = memory + 2 * m;
  f.slope = memory + 4 * m;
  if (is_fermi && function->electrons > 0) f.weight = memory + 5 * m;
  if (is_fermi) f.mu = function->mu;
  if (f.weight) f.mu = mpt_chemical_potential(m, w, function->beta, function->electrons);
  mpt_status status = MPT_STATUS_OK;
  if (function->kind == MPT_FUNCTION_PROJECTOR) status = start_projector(&f, multiplet);
  for (int64_t i = 0; i < m && function->kind != MPT_FUNCTION_PROJECTOR; i++) {
    set_argument(&f, i);
    f.value[i] = value_at(function, f.x[i], f.low[i]);
    rest[i] = is_fermi ? fermi(-f.x[i], -f.low[i])
                       : exp(-2 * fabs(f.x[i])) * (1 - 2 * (f.x[i] < 0 ? -f.low[i] : f.low[i]));
    if (!is_defined(function, f.x[i]) || !isfinite(f.value[i]))
      status = MPT_STATUS_FUNCTION_UNDEFINED;
  }
  for (int64_t i = 0; i < m && status == MPT_STATUS_OK; i++)
    f.slope[i] = mpt_divided_difference(&f, i, i);
  if (f.weight) weigh(&f);
  *out = f;
  return status;
}

/* The nearest eigenvalue that f tells apart from eigenvalue i, as a distance. */
static double projector_gap(const mpt_spectral_function *f, int64_t i) {
  const int64_t first = f->function->index[0], stop = f->function->index[1];
  double gap = INFINITY;
  if (first > 0 && first < f->m)
    gap = fmin(gap, i < first ? f->w[first] - f->w[i] : f->w[i] - f->w[first - 1]);
  if (stop > 0 && stop < f->m)
    gap = fmin(gap, i < stop ? f->w[stop] - f->w[i] : f->w[i] - f->w[stop - 1]);
  return gap;
}

void mpt_function_turns(const mpt_spectral_function *f, double shift, double *out) {
  for (int64_t i = 0; i < f->m; i++) {
    if (f->function->kind == MPT_FUNCTION_PROJECTOR) {
      const double gap = projector_gap(f, i);
      out[i] = shift / gap / gap;
      continue;
    }
    /* f' at either side, by the function's own differences */
    double memory[2 * MPT_FUNCTION_MEMORY] = {0};
    mpt_function plain = *f->function;
    const double w[2] = {f->w[i] - shift, f->w[i] + shift};
    const int32_t apart[2] = {0, 1};
    mpt_spectral_function near;
    plain.mu = f->mu;
    plain.electrons = 0;
    out[i] = mpt_function_start(&plain, 2, w, apart, memory, &near) == MPT_STATUS_OK
                 ? fabs(near.slope[1] - near.slope[0]) / 2
                 : fabs(f->slope[i]);
  }
}
