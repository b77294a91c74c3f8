#include "spectral/kinds.h"

#include <math.h>
#include <stddef.h>
#include "spectral/entropy.h"
#include "spectral/occupation.h"

/* (1 - exp(-d)) / d for d >= 0. */
static double slowing(double d) {
  return d > 0 ? -expm1(-d) / d : 1;
}

/* The difference of two arguments. */
static double apart(const mpt_spectral_function *f, int64_t i, int64_t j) {
  return (f->x[i] - f->x[j]) + (f->low[i] - f->low[j]);
}

/* The reach of functions with one scale. */
static double reach_of_factor(const mpt_spectral_function *f) {
  return 1 / fabs(f->factor);
}

/* The reach of functions with a singularity at zero. */
static double reach_to_zero(const mpt_spectral_function *f) {
  double nearest = INFINITY;
  for (int64_t i = 0; i < f->m; i++)
    if (!mpt_is_null(f, i)) nearest = fmin(nearest, fabs(f->w[i]));
  return nearest;
}

static bool above_zero(const mpt_function *f, double x) {
  (void)f;
  return x > 0;
}

static mpt_at_zero is_steep(const mpt_function *f) {
  (void)f;
  return MPT_ZERO_STEEP;
}

static double exp_value(const mpt_function *f, double x, double low, double *rest) {
  (void)rest;
  (void)f;
  return exp(x) * (1 + low);
}

static double exp_difference(const mpt_spectral_function *f, int64_t i, int64_t j) {
  return f->factor * f->value[i] * slowing(apart(f, i, j));
}

static double log_value(const mpt_function *f, double x, double low, double *rest) {
  (void)rest;
  (void)f;
  return log(x) + low / x;
}

static double log_difference(const mpt_spectral_function *f, int64_t i, int64_t j) {
  const double x = f->w[i], y = f->w[j];
  const double u = fmax(fabs(x), fabs(y)), v = fmin(fabs(x), fabs(y)), sign = x < 0 ? -1 : 1;
  if (u / v <= 2) {
    const double half = u / 2 + v / 2, z = (u / 2 - v / 2) / half;
    return sign / half * (z > 0 ? atanh(z) / z : 1);
  }
  return sign * (isfinite(u / v) ? log(u / v) : log(u) - log(v)) / (u - v);
}

static double xlogx_value(const mpt_function *f, double x, double low, double *rest) {
  (void)rest;
  (void)f;
  return x * log(x) + low * (log(x) + 1);
}

static double xlogx_difference(const mpt_spectral_function *f, int64_t i, int64_t j) {
  return f->factor * mpt_entropy_difference(f->x[i], f->low[i], f->x[j], f->low[j]);
}

static double sqrt_value(const mpt_function *f, double x, double low, double *rest) {
  (void)rest;
  (void)f;
  (void)low;
  return sqrt(x);
}

static double sqrt_difference(const mpt_spectral_function *f, int64_t i, int64_t j) {
  return f->factor / (f->value[i] + f->value[j]);
}

static double inv_sqrt_value(const mpt_function *f, double x, double low, double *rest) {
  (void)rest;
  (void)f;
  (void)low;
  return 1 / sqrt(x);
}

static double inv_sqrt_difference(const mpt_spectral_function *f, int64_t i, int64_t j) {
  return -f->factor * f->value[i] * f->value[j] / (sqrt(f->x[i]) + sqrt(f->x[j]));
}

static bool inverse_exists(const mpt_function *f, double x) {
  (void)f;
  return x != 0;
}

static double inverse_value(const mpt_function *f, double x, double low, double *rest) {
  (void)rest;
  (void)f;
  (void)low;
  return 1 / x;
}

static double inverse_difference(const mpt_spectral_function *f, int64_t i, int64_t j) {
  return -f->value[i] / f->w[j];
}

static bool is_whole(double x) {
  return x == floor(x) && fabs(x) < 0x1p53;
}

/* (u^p)[u, v], the divided difference of u^p, for u >= v > 0. */
static double of_power(double p, double u, double v) {
  const double t = u / v <= 2 ? log1p((u - v) / v) : log(u) - log(v);
  if (u == v) return p * pow(u, p - 1);
  if (fabs(p * t) <= 1 && t < 700) return pow(v, p - 1) * (expm1(p * t) / expm1(t));
  return (pow(u, p) - pow(v, p)) / (u - v);
}

/* The same for any two numbers and integer p. */
static double of_whole_power(double p, double x, double y) {
  const double u = fmax(fabs(x), fabs(y)), v = fmin(fabs(x), fabs(y));
  const bool odd = fmod(p, 2) != 0, facing = (x > 0) != (y > 0);
  if (p == 0 || u == 0) return p == 1; /* p >= 0 where an argument is zero: else undefined */
  if (v == 0) return pow(x + y, p - 1);
  if (!facing) return of_power(p, u, v) * (x < 0 && !odd ? -1 : 1);
  if (odd) return (pow(u, p) + pow(v, p)) / (u + v);
  const bool positive = (fabs(x) >= fabs(y)) == (x > 0);
  return of_power(p, u, v) * ((u - v) / (u + v)) * (positive ? 1 : -1);
}

static bool power_exists(const mpt_function *f, double x) {
  return x > 0 || (is_whole(f->exponent) && (f->exponent >= 0 || x != 0));
}

static mpt_at_zero power_at_zero(const mpt_function *f) {
  if (is_whole(f->exponent) || f->exponent < 0) return MPT_ZERO_PLAIN;
  return f->exponent < 1 ? MPT_ZERO_STEEP : MPT_ZERO_FLAT;
}

static double power_value(const mpt_function *f, double x, double low, double *rest) {
  (void)rest;
  (void)low;
  return pow(x, f->exponent);
}

static double power_difference(const mpt_spectral_function *f, int64_t i, int64_t j) {
  const double p = f->function->exponent;
  const bool whole = is_whole(p);
  return f->factor * (whole ? of_whole_power(p, f->x[i], f->x[j]) : of_power(p, f->x[i], f->x[j]));
}

static double reach_of_power(const mpt_spectral_function *f) {
  const double nearest = reach_to_zero(f);
  return nearest == 0 ? INFINITY : nearest;
}

/* rest: exp(-2 |x|). */
static double tanh_value(const mpt_function *f, double x, double low, double *rest) {
  (void)f;
  *rest = exp(-2 * fabs(x)) * (1 - 2 * (x < 0 ? -low : low));
  return tanh(x);
}

static double tanh_difference(const mpt_spectral_function *f, int64_t i, int64_t j) {
  const double d = apart(f, i, j);
  if (f->x[i] > 0 && f->x[j] < 0) return f->factor * ((f->value[i] - f->value[j]) / d);
  const int64_t near = f->x[j] >= 0 ? j : i; /* the nearer to zero */
  const double sides = (1 + f->rest[i]) * (1 + f->rest[j]);
  return f->factor * (4 * f->rest[near] * slowing(2 * d) / sides);
}

static double sin_value(const mpt_function *f, double x, double low, double *rest) {
  (void)rest;
  (void)f;
  return sin(x) + cos(x) * low;
}

static double cos_value(const mpt_function *f, double x, double low, double *rest) {
  (void)rest;
  (void)f;
  return cos(x) - sin(x) * low;
}

/* sin(d / 2) / (d / 2) with d = x_i - x_j, which loses no digits near a zero; and (x_i + x_j) / 2
 * as *s + *low. */
static double wave(const mpt_spectral_function *f, int64_t i, int64_t j, double *s, double *low) {
  double low_d;
  const double d = mpt_two_sum(f->x[i], -f->x[j], &low_d) / 2;
  *s = mpt_two_sum(f->x[i], f->x[j], low) / 2;
  low_d = (low_d + f->low[i] - f->low[j]) / 2;
  *low = (*low + f->low[i] + f->low[j]) / 2;
  return d == 0 ? 1 : (sin(d) + cos(d) * low_d) / (d + low_d);
}

static double sin_difference(const mpt_spectral_function *f, int64_t i, int64_t j) {
  double s, low;
  const double sinc = wave(f, i, j, &s, &low);
  return f->factor * (sinc * (cos(s) - sin(s) * low));
}

static double cos_difference(const mpt_spectral_function *f, int64_t i, int64_t j) {
  double s, low;
  const double sinc = wave(f, i, j, &s, &low);
  return f->factor * (-sinc * (sin(s) + cos(s) * low));
}

static mpt_status start_occupation(mpt_spectral_function *f, const int32_t *multiplet) {
  const mpt_function *function = f->function;
  const mpt_levels levels = {.m = f->m, .w = f->w};
  (void)multiplet;
  f->factor = mpt_occupation_factor(function, &f->factor_low);
  f->mu = function->mu;
  if (!(function->electrons > 0)) return MPT_STATUS_OK;
  f->mu = mpt_chemical_potential(function, &levels, &f->mu_low);
  f->weight = f->slope + f->m; /* at the end of the memory */
  return MPT_STATUS_OK;
}

static double fermi_difference(const mpt_spectral_function *f, int64_t i, int64_t j) {
  return -f->factor * f->value[j] * f->rest[i] * slowing(apart(f, i, j));
}

static double smearing_difference(const mpt_spectral_function *f, int64_t i, int64_t j) {
  const mpt_occupation_pair pair = {f->x[i],
                                    f->low[i],
                                    f->x[j],
                                    f->low[j],
                                    apart(f, i, j),
                                    {f->value[i], f->value[j]},
                                    {f->rest[i], f->rest[j]}};
  return f->factor * mpt_smearing_difference(f->function, &pair);
}

/* rest: the derivative, 1 / (1 + exp(-x)). */
static double softplus_value(const mpt_function *f, double x, double low, double *rest) {
  const double e = exp(-fabs(x));
  (void)f;
  *rest = (x < 0 ? e * (1 + low) : 1) / (1 + e);
  return fmax(x, 0) + log1p(e) + *rest * low;
}

/* log((1 + exp(x)) / (1 + exp(y))) / d with d = x - y >= 0. From d = 30 on the values differ by far
 * more than either loses, unless both are large: then what is left of d is log(rest) of y. */
static double softplus_difference(const mpt_spectral_function *f, int64_t i, int64_t j) {
  const double d = apart(f, i, j);
  if (!(d > 0)) return f->factor * f->rest[j];
  if (d <= 30) return f->factor * (log1p(f->rest[j] * expm1(d)) / d);
  if (f->x[j] <= 0) return f->factor * ((f->value[i] - f->value[j]) / d);
  return f->factor * ((d - log1p(exp(-f->x[j]))) / d);
}

static double abs_value(const mpt_function *f, double x, double low, double *rest) {
  (void)f;
  (void)rest;
  return x < 0 ? -x - low : x + low;
}

static double sign_of(double x) {
  return x > 0 ? 1 : x < 0 ? -1 : 0;
}

/* |x| and |y| differ by x + y where the signs do. */
static double abs_difference(const mpt_spectral_function *f, int64_t i, int64_t j) {
  const double x = f->x[i], y = f->x[j], d = apart(f, i, j);
  if (!(d > 0) || y >= 0 || x <= 0) return f->factor * (sign_of(x) + sign_of(y)) / (x && y ? 2 : 1);
  return f->factor * (((x + y) + (f->low[i] + f->low[j])) / d);
}

/* x less the minimum. */
static double above_minimum(const mpt_function *f, double x, double low) {
  double rest;
  const double above = mpt_two_sum(x, -f->minimum, &rest);
  return above + (isfinite(above) ? rest + low : 0);
}

/* rest: the height above the minimum. */
static double clamp_min_value(const mpt_function *f, double x, double low, double *rest) {
  *rest = above_minimum(f, x, low);
  return *rest > 0 ? x + low : f->minimum;
}

static double clamp_min_difference(const mpt_spectral_function *f, int64_t i, int64_t j) {
  const double high = f->rest[i], low = f->rest[j];
  if (low > 0) return f->factor;
  if (high > 0) return f->factor * (high / apart(f, i, j));
  return high == 0 && low == 0 ? f->factor / 2 : 0;
}

/* The distance to the kink. */
static double reach_to_minimum(const mpt_spectral_function *f) {
  double nearest = INFINITY;
  for (int64_t i = 0; i < f->m; i++) nearest = fmin(nearest, fabs(f->rest[i] / f->factor));
  return nearest;
}

static double sign_value(const mpt_function *f, double x, double low, double *rest) {
  (void)f;
  (void)rest;
  (void)low;
  return sign_of(x);
}

static double sign_difference(const mpt_spectral_function *f, int64_t i, int64_t j) {
  return f->value[i] == f->value[j] ? 0 : f->factor * (2 / apart(f, i, j));
}

/* An eigenvalue that rounding may take across zero has no sign; others turn into those across. */
static double sign_turn(const mpt_spectral_function *f, int64_t i, double shift) {
  double gap = INFINITY;
  for (int64_t j = 0; j < f->m; j++)
    if (f->value[i] != f->value[j]) gap = fmin(gap, fabs(f->w[i] - f->w[j]));
  return fabs(f->w[i]) <= shift ? 2 / gap : 2 * shift / gap / gap;
}

static mpt_status start_projector(mpt_spectral_function *f, const int32_t *multiplet) {
  const int64_t first = f->function->index[0], stop = f->function->index[1];
  for (int64_t i = 0; i < f->m; i++) f->value[i] = i >= first && i < stop;
  return mpt_whole_multiplets(f->m, multiplet, first, stop) ? MPT_STATUS_OK
                                                            : MPT_STATUS_SPLIT_MULTIPLET;
}

static double projector_difference(const mpt_spectral_function *f, int64_t i, int64_t j) {
  if (f->value[i] == f->value[j]) return 0;
  return (f->value[i] - f->value[j]) / (f->w[i] - f->w[j]);
}

/* The distance from eigenvalue i to the nearest eigenvalue with another value of f. */
static double projector_gap(const mpt_spectral_function *f, int64_t i) {
  const int64_t first = f->function->index[0], stop = f->function->index[1];
  double gap = INFINITY;
  if (first > 0 && first < f->m)
    gap = fmin(gap, i < first ? f->w[first] - f->w[i] : f->w[i] - f->w[first - 1]);
  if (stop > 0 && stop < f->m)
    gap = fmin(gap, i < stop ? f->w[stop] - f->w[i] : f->w[i] - f->w[stop - 1]);
  return gap;
}

static double projector_turn(const mpt_spectral_function *f, int64_t i, double shift) {
  const double gap = projector_gap(f, i);
  return shift / gap / gap;
}

static double reach_to_edges(const mpt_spectral_function *f) {
  return mpt_edge_gap(f->m, f->w, f->function->index);
}

/* PARAMETER(member of mpt_function, its domain, whether it is needed, its default value). */
#define PARAMETER(member, domain, need, standard)                                                  \
  { #member, MPT_DOMAIN_##domain, MPT_NEED_##need, standard, offsetof(mpt_function, member) }
#define SCALE PARAMETER(scale, NONZERO, OPTIONAL, 1)
#define SIGMA PARAMETER(sigma, POSITIVE, REQUIRED, 0)
#define FILLING PARAMETER(mu, NUMBER, ONE_OF, 0), PARAMETER(electrons, BELOW_N, ONE_OF, 0)

const mpt_kind mpt_kinds[] = {
    [MPT_FUNCTION_EXP] = {.name = "exp",
                          .parameters = {SCALE},
                          .wants = "no eigenvalue so large that it overflows",
                          .value = exp_value,
                          .difference = exp_difference,
                          .reach = reach_of_factor},
    [MPT_FUNCTION_LOG] = {.name = "log",
                          .parameters = {SCALE},
                          .wants = "positive eigenvalues",
                          .exists = above_zero,
                          .value = log_value,
                          .difference = log_difference,
                          .reach = reach_to_zero},
    [MPT_FUNCTION_SQRT] = {.name = "sqrt",
                           .parameters = {SCALE},
                           .wants = "no negative eigenvalue",
                           .exists = above_zero,
                           .at_zero = is_steep,
                           .value = sqrt_value,
                           .difference = sqrt_difference,
                           .reach = reach_to_zero},
    [MPT_FUNCTION_INV_SQRT] = {.name = "inv_sqrt",
                               .parameters = {SCALE},
                               .wants = "positive eigenvalues",
                               .exists = above_zero,
                               .value = inv_sqrt_value,
                               .difference = inv_sqrt_difference,
                               .reach = reach_to_zero},
    [MPT_FUNCTION_INVERSE] = {.name = "inverse",
                              .parameters = {SCALE},
                              .wants = "no eigenvalue that is zero",
                              .exists = inverse_exists,
                              .value = inverse_value,
                              .difference = inverse_difference,
                              .reach = reach_to_zero},
    [MPT_FUNCTION_POWER] = {.name = "power",
                            .parameters = {SCALE, PARAMETER(exponent, NUMBER, REQUIRED, 0)},
                            .wants = "no negative eigenvalue, unless its exponent is a whole "
                                     "number, and none that is zero, unless it is positive",
                            .exists = power_exists,
                            .at_zero = power_at_zero,
                            .value = power_value,
                            .difference = power_difference,
                            .reach = reach_of_power},
    [MPT_FUNCTION_TANH] = {.name = "tanh",
                           .parameters = {SCALE},
                           .value = tanh_value,
                           .difference = tanh_difference,
                           .reach = reach_of_factor},
    [MPT_FUNCTION_SIN] = {.name = "sin",
                          .parameters = {SCALE},
                          .value = sin_value,
                          .difference = sin_difference,
                          .reach = reach_of_factor},
    [MPT_FUNCTION_COS] = {.name = "cos",
                          .parameters = {SCALE},
                          .value = cos_value,
                          .difference = cos_difference,
                          .reach = reach_of_factor},
    [MPT_FUNCTION_FERMI] = {.name = "fermi",
                            .parameters = {PARAMETER(beta, POSITIVE, REQUIRED, 0), FILLING},
                            .one_of = "says how full it is",
                            .start = start_occupation,
                            .value = mpt_occupied,
                            .difference = fermi_difference,
                            .reach = reach_of_factor},
    [MPT_FUNCTION_PROJECTOR] = {.name = "projector",
                                .parameters = {PARAMETER(index, INDEX, REQUIRED, 0)},
                                .start = start_projector,
                                .difference = projector_difference,
                                .reach = reach_to_edges,
                                .turn = projector_turn},
    [MPT_FUNCTION_SOFTPLUS] = {.name = "softplus",
                               .parameters = {SCALE},
                               .value = softplus_value,
                               .difference = softplus_difference,
                               .reach = reach_of_factor},
    [MPT_FUNCTION_ABS] = {.name = "abs",
                          .parameters = {SCALE},
                          .value = abs_value,
                          .difference = abs_difference,
                          .reach = reach_to_zero},
    [MPT_FUNCTION_SIGN] = {.name = "sign",
                           .parameters = {SCALE},
                           .wants = "no eigenvalue that is zero",
                           .exists = inverse_exists,
                           .value = sign_value,
                           .difference = sign_difference,
                           .reach = reach_to_zero,
                           .turn = sign_turn},
    [MPT_FUNCTION_CLAMP_MIN] = {.name = "clamp_min",
                                .parameters = {SCALE, PARAMETER(minimum, NUMBER, OPTIONAL, 0)},
                                .value = clamp_min_value,
                                .difference = clamp_min_difference,
                                .reach = reach_to_minimum},
    [MPT_FUNCTION_GAUSSIAN] = {.name = "gaussian",
                               .parameters = {SIGMA, FILLING},
                               .one_of = "says how full it is",
                               .start = start_occupation,
                               .value = mpt_occupied,
                               .difference = smearing_difference,
                               .reach = reach_of_factor},
    [MPT_FUNCTION_METHFESSEL_PAXTON] = {.name = "methfessel_paxton",
                                        .parameters = {SIGMA, FILLING,
                                                       PARAMETER(order, ORDER, OPTIONAL, 1)},
                                        .one_of = "says how full it is",
                                        .start = start_occupation,
                                        .value = mpt_occupied,
                                        .difference = smearing_difference,
                                        .reach = reach_of_factor},
    [MPT_FUNCTION_COLD] = {.name = "cold",
                           .parameters = {SIGMA, FILLING},
                           .one_of = "says how full it is",
                           .start = start_occupation,
                           .value = mpt_occupied,
                           .difference = smearing_difference,
                           .reach = reach_of_factor},
    [MPT_FUNCTION_XLOGX] = {.name = "xlogx",
                            .parameters = {SCALE},
                            .wants = "no negative eigenvalue",
                            .exists = above_zero,
                            .at_zero = is_steep,
                            .value = xlogx_value,
                            .difference = xlogx_difference,
                            .reach = reach_to_zero},
};
_Static_assert(sizeof mpt_kinds / sizeof *mpt_kinds == MPT_FUNCTION_KINDS, "a kind has no row");
