#include "spectral/backward.h"

#include <float.h>
#include <limits.h>
#include <math.h>
#include "base/scalar.h"

#define WORKER "spectral/pair_worker.h"
#include "base/for_each_type.h"

static double larger(double a, double b) {
  return a > b ? a : b;
}

static double smaller(double a, double b) {
  return a < b ? a : b;
}

void mpt_sums_add(mpt_sums *sums, const mpt_sums *more) {
  sums->gauge = larger(sums->gauge, more->gauge);
  sums->signal = larger(sums->signal, more->signal);
  sums->violated = larger(sums->violated, more->violated);
  sums->noise2 += more->noise2;
  sums->turn2 += more->turn2;
  sums->x2 += more->x2;
  sums->formed += more->formed;
}

/* 2^exponent as two factors, each of which is in range. */
static void set_factors(int exponent, double factor[2]) {
  const int half = exponent / 2;
  factor[0] = ldexp(1, half);
  factor[1] = ldexp(1, exponent - half);
}

static int exponent_of(double x) {
  return x > 0 ? ilogb(x) : INT_MIN / 4;
}

void mpt_rule_open(mpt_rule *r, double values, double vectors, int others, double *memory) {
  double **const arrays[] = {&r->place,  &r->cotangent,    &r->x,      &r->rho,  &r->rho_error,
                             &r->inside, &r->inside_error, &r->turned, &r->size, &r->leverage,
                             &r->own,    &r->drift};
  _Static_assert(sizeof arrays / sizeof *arrays == MPT_RULE_ARRAYS, "an array has no memory");
  for (int k = 0; k < MPT_RULE_ARRAYS; k++) *arrays[k] = memory + k * r->m;
  r->epsilon = mpt_type_epsilon(r->type);
  r->level = 8 * larger(r->epsilon, r->cotangent_epsilon) * sqrt((double)r->n);
  r->norm_exponent = r->norm > 0 ? ilogb(r->norm) : 0;
  const int of_values = exponent_of(values) + r->norm_exponent,
            of_vectors = exponent_of(vectors) - r->gv_exponent;
  int unit = of_values > of_vectors ? of_values : of_vectors;
  if (others > INT_MIN / 4 && others + r->norm_exponent > unit) unit = others + r->norm_exponent;
  r->any = unit > INT_MIN / 8;
  r->unit = r->any ? unit : 0;
  set_factors(-r->unit - r->gv_exponent, r->gv_in);
  set_factors(r->gv_norm ? -of_vectors - r->gv_exponent : 0, r->gauge_in);
  set_factors(r->norm_exponent - r->unit, r->gw_in);
  set_factors(r->unit - r->norm_exponent + r->x_exponent, r->x_out);
  for (int64_t j = 0; j < r->m; j++) {
    r->place[j] = ldexp(r->w[j], -r->norm_exponent);
    r->cotangent[j] = r->gw[j] * r->gw_in[0] * r->gw_in[1];
    r->turned[j] = r->size[j] = 0;
    r->leverage[j] = 1;
    r->own[j] = 0;
    r->drift[j] = 0;
  }
}

mpt_rule mpt_rule_of(const mpt_rule *rule, int64_t first, int64_t count) {
  mpt_rule r = *rule;
  double **const arrays[] = {&r.place,  &r.cotangent,    &r.x,      &r.rho,  &r.rho_error,
                             &r.inside, &r.inside_error, &r.turned, &r.size, &r.leverage,
                             &r.own,    &r.drift,        &r.gw};
  _Static_assert(sizeof arrays / sizeof *arrays == MPT_RULE_ARRAYS + 1,
                 "an array of a rule is not moved");
  for (size_t k = 0; k < sizeof arrays / sizeof *arrays; k++) *arrays[k] += first;
  if (r.gv_norm) r.gv_norm += first;
  r.w += first;
  r.multiplet += first;
  r.m = count;
  return r;
}

void mpt_backward_tile(mpt_type type, const mpt_rule *rule, const mpt_tile *tile, mpt_sums *sums) {
  static void (*const table[])(const mpt_rule *, const mpt_tile *, mpt_sums *) =
      WORKER_TABLE(backward_tile);
  table[type](rule, tile, sums);
}

void mpt_rule_look(const mpt_rule *rule, const mpt_tile *tile) {
  static void (*const table[])(const mpt_rule *, const mpt_tile *) = WORKER_TABLE(look_inside);
  table[rule->type](rule, tile);
}

double mpt_cotangent_epsilon(mpt_type type, int64_t count, const void *cotangents) {
  static bool (*const table[])(int64_t, const void *) = WORKER_TABLE(are_single);
  const double single = mpt_type_epsilon(MPT_FLOAT32);
  return table[type](count, cotangents) ? single : mpt_type_epsilon(type);
}

/* The share of gw that rounding moves from one eigenvalue to another; 1 inside a multiplet. The
 * share is larger for close eigenvalues that no quotient can tell apart. */
static inline double turn_of(double gap, double rounding, double blur) {
  const double share = rounding / gap, near = blur / gap;
  return smaller(1, larger(share, near * near));
}

/* Sums are kept side by side, so that the loop vectorizes. */
VECTOR_CLONES
static double turns_between(const mpt_rule *r, int64_t i, int64_t first, int64_t stop) {
  enum { RUN = 8 };
  double side[RUN] = {0}, sum = 0;
  const double wi = r->place[i], gi = r->cotangent[i];
  const double rounding = MPT_TURN * r->epsilon, blur = r->level;
  for (int64_t j0 = first; j0 < stop; j0 += RUN) {
    const int count = stop - j0 < RUN ? (int)(stop - j0) : RUN;
    for (int l = 0; l < count; l++) {
      const bool same = r->multiplet[j0 + l] == r->multiplet[i];
      const double gap = same ? 0 : fabs(wi - r->place[j0 + l]);
      const double turn = (gi - r->cotangent[j0 + l]) * turn_of(gap, rounding, blur);
      side[l] += turn * turn;
    }
  }
  for (int l = 0; l < RUN; l++) sum += side[l];
  return sum;
}

void mpt_add_diagonal(const mpt_rule *r, mpt_sums *sums) {
  for (int64_t i = 0; i < r->m; i++) {
    sums->turn2 += 2 * turns_between(r, i, 0, i);
    sums->x2 += r->x[i] * r->x[i];
  }
}

void mpt_add_outer_turns(const mpt_rule *r, int64_t first, int64_t count, mpt_sums *sums) {
  for (int64_t i = first; i < first + count; i++)
    sums->turn2 += 2 * (turns_between(r, i, 0, first) + turns_between(r, i, first + count, r->m));
}

double mpt_rule_unit(const mpt_rule *r) {
  return r->gw_in[0] * r->gw_in[1];
}

void mpt_rule_diagonal(mpt_rule *r) {
  for (int64_t j = 0; j < r->m; j++) r->gw[j] = r->x[j] * r->x_out[0] * r->x_out[1];
}

/* The square of the change of eigenvalue j's cotangent due to the uncertainty of the eigenvalue
 * itself. Derivatives of a logarithm, a root or an inverse grow towards zero, where |gw_j| / |w_j|
 * is their slope. Counted only where gw is larger than at the neighbours. */
static double singular2(const mpt_rule *r, int64_t j) {
  const double *gw = r->cotangent, most = fabs(gw[j]);
  const double below = j > 0 ? fabs(gw[j - 1]) : 0, above = j + 1 < r->m ? fabs(gw[j + 1]) : 0;
  const double share = MPT_TURN * r->epsilon / fabs(r->place[j]);
  const double moved = (most - larger(below, above)) * smaller(1, share);
  return moved > 0 ? moved * moved : 0;
}

/* The estimated relative error of the gradient. It is 1 where the gradient is zero although
 * cotangents are not: all of it may be lost in rounding. */
static double error_of(const mpt_rule *r, const mpt_sums *sums) {
  double moved2 = 0;
  if (sums->x2 == 0) return r->any ? 1 : 0;
  for (int64_t j = 0; j < r->m; j++) moved2 += singular2(r, j);
  for (int64_t j = 0; j < r->m; j++) moved2 += 2 * r->turned[j] * r->size[j] * r->leverage[j];
  const double error = sqrt((sums->noise2 + sums->turn2 + moved2) / sums->x2);
  const double products = r->epsilon * sqrt((double)r->n);
  return isfinite(error) ? smaller(error + products, 1e300) : 1e300;
}

mpt_finding mpt_find(const mpt_rule *r, const mpt_sums *sums) {
  const double threshold = sqrt(r->epsilon);
  return (mpt_finding){
      .gauge = smaller(sums->gauge, 1),
      .spread = r->spread,
      .error = error_of(r, sums),
      .kind = r->kind == MPT_RULE_PLAIN && sums->formed > 0 ? MPT_RULE_FORM : r->kind,
      .dependent = sums->signal > threshold || sums->violated > threshold * sqrt(sums->x2),
      .differ = r->uncertified > threshold};
}
