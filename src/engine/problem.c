#include "certificate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "agree.h"
#include "lanes.h"

/* Beyond this many units of n eps ||A|| a solution is not a solution. LAPACK's own tests warn at
 * 30. */
static const double certificate_bound = 100;

const mpt_engine *const mpt_engines[] = {&mpt_lapack, &mpt_scalapack, &mpt_lanes, NULL};

const mpt_engine *mpt_engine_by_name(const char *name) {
  for (const mpt_engine *const *e = mpt_engines; *e; e++)
    if (!strcmp((*e)->name, name)) return *e;
  return NULL;
}

const mpt_engine *mpt_engine_for(const mpt_shape *shape) {
  return shape->n <= mpt_lanes_largest(shape->type) ? &mpt_lanes : &mpt_lapack;
}

mpt_team mpt_team_of_one(void) {
  return (mpt_team){.comm = MPI_COMM_SELF, .rank = 0, .size = 1, .grid = {1, 1}};
}

int64_t mpt_slab_start(int64_t n, int size, int rank) {
  return n / size * rank + n % size * rank / size;
}

int64_t mpt_batch_columns(const mpt_batch *batch) {
  return mpt_select_columns(&batch->select, batch->n);
}

/* Where problem k's part of an array with `per_problem` elements of `size` bytes begins. */
static void *part(const void *array, int64_t k, int64_t per_problem, size_t size) {
  return array ? (char *)(uintptr_t)array + (size_t)(k * per_problem) * size : NULL;
}

typedef struct scratch {
  double *w, *gw, *norm; /* [n], [n], [n + 1] */
} scratch;

static void zero_gradient(mpt_batch *b, int64_t k) {
  int64_t elements = b->rows * b->n;
  size_t size = mpt_type_size(b->type);
  if (b->g) memset(part(b->g, k, elements, size), 0, (size_t)elements * size);
}

void mpt_zero_pairs(mpt_batch *b, int64_t k) {
  int64_t elements = b->rows * b->n;
  size_t size = mpt_type_size(b->type), real = mpt_real_size(b->type);
  memset(part(b->w, k, b->n, real), 0, (size_t)b->n * real);
  if (b->v) memset(part(b->v, k, elements, size), 0, (size_t)elements * size);
}

static void zero_outputs(mpt_batch *b, int64_t k) {
  if (!b->given) mpt_zero_pairs(b, k);
  memset(part(b->multiplet, k, b->n, sizeof(int32_t)), 0, (size_t)b->n * sizeof(int32_t));
  zero_gradient(b, k);
  b->report[k] = (mpt_report){.status = b->report[k].status, .seconds = b->report[k].seconds};
}

/* A power of two that takes a number near 1. */
static double scale_of(double largest) {
  const int most = 1000, exponent = largest > 0 ? ilogb(largest) : 0;
  return ldexp(1, -(exponent > most ? most : exponent < -most ? -most : exponent));
}

/* Loads the cotangents' sizes into the rule; false when one is not finite. */
static bool load_cotangents(const mpt_team *team, const mpt_batch *b, int64_t k, scratch *s,
                            mpt_rule *rule) {
  const int64_t n = b->n;
  bool finite = true;
  double largest = 0;
  memset(s->norm, 0, sizeof(double) * (size_t)(n + 1));
  memset(s->gw, 0, sizeof(double) * (size_t)n);
  if (b->gw) mpt_reals_to_double(b->type, n, part(b->gw, k, n, mpt_real_size(b->type)), s->gw);
  for (int64_t j = 0; j < n; j++) {
    finite &= isfinite(s->gw[j]) != 0;
    largest = fmax(largest, fabs(s->gw[j]));
  }
  rule->gv_norm = NULL;
  rule->cotangent_scale = scale_of(largest);
  if (!b->gv) return finite;
  const void *gv = part(b->gv, k, b->rows * n, mpt_type_size(b->type));
  mpt_scan scan = mpt_scan_slab(b->type, 0, b->rows, n, gv, MPT_FULL);
  double all[2] = {scan.finite ? 0 : 1, scan.largest};
  if (team->size > 1) MPI_Allreduce(MPI_IN_PLACE, all, 2, MPI_DOUBLE, MPI_MAX, team->comm);
  if (all[0] > 0) return false;
  if (all[1] == 0) return finite;
  rule->cotangent_scale = scale_of(fmax(largest, all[1]));
  const int exponent = ilogb(all[1]); /* so that no square leaves the range */
  mpt_add_column_norms(b->type, b->rows, n, gv, exponent, s->norm);
  if (team->size > 1) MPI_Allreduce(MPI_IN_PLACE, s->norm, (int)n, MPI_DOUBLE, MPI_SUM, team->comm);
  for (int64_t j = 0; j < n; j++) {
    s->norm[j] = ldexp(sqrt(s->norm[j]), exponent);
    finite &= isfinite(s->norm[j]) != 0;
  }
  rule->gv_norm = s->norm;
  return finite;
}

static mpt_sums add_over_team(const mpt_team *team, mpt_sums sums) {
  if (team->size == 1) return sums;
  double add[2] = {sums.noise2, sums.x2};
  MPI_Allreduce(MPI_IN_PLACE, add, 2, MPI_DOUBLE, MPI_SUM, team->comm);
  MPI_Allreduce(MPI_IN_PLACE, &sums.gauge, 1, MPI_DOUBLE, MPI_MAX, team->comm);
  return (mpt_sums){.gauge = sums.gauge, .noise2 = add[0], .x2 = add[1]};
}

static bool finite_on_team(const mpt_team *team, const mpt_batch *b, const void *slab) {
  int bad = !mpt_all_finite(b->type, b->rows * b->n, slab);
  if (team->size > 1) MPI_Allreduce(MPI_IN_PLACE, &bad, 1, MPI_INT, MPI_MAX, team->comm);
  return !bad;
}

void mpt_settle_gradient(const mpt_options *options, mpt_type type, bool finite,
                         mpt_report *report) {
  const double threshold = sqrt(mpt_type_epsilon(type));
  if (!finite) {
    report->status = MPT_NONFINITE_COTANGENT;
    return;
  }
  bool dependent = report->gauge_violation > threshold;
  bool spread = options->spread_policy == MPT_REFUSE && report->cotangent_spread > threshold;
  report->refused = spread || (dependent && options->gauge_policy == MPT_GAUGE_FAIL);
  report->status = dependent || spread ? MPT_GAUGE_DEPENDENT : MPT_OK;
}

static void backward(const mpt_engine *engine, mpt_state *state, const mpt_team *team,
                     const mpt_options *options, mpt_batch *b, int64_t k, mpt_rule *rule,
                     scratch *s) {
  mpt_report *report = &b->report[k];
  if (!load_cotangents(team, b, k, s, rule)) {
    report->status = MPT_NONFINITE_COTANGENT;
    return;
  }
  report->cotangent_spread =
      mpt_apply_spread_policy(b->n, rule->multiplet, options->spread_policy, rule->gw);
  mpt_sums sums = {0};
  engine->differentiate(state, b, k, rule, !b->given && b->count == 1, &sums);
  sums = add_over_team(team, sums);
  report->gauge_violation = fmin(sums.gauge, 1);
  report->gradient_error = mpt_gradient_error(rule, &sums);
  void *g = part(b->g, k, b->rows * b->n, mpt_type_size(b->type));
  if (options->convention == MPT_JAX) mpt_conjugate(b->type, b->rows * b->n, g);
  /* finite cotangents may be too large for this spectrum */
  mpt_settle_gradient(options, b->type, finite_on_team(team, b, g), report);
}

/* The gradient of problem k, whose eigenpairs and multiplets stand in the batch. */
static void differentiate_problem(const mpt_engine *engine, mpt_state *state, const mpt_team *team,
                                  const mpt_options *options, mpt_batch *b, int64_t k, scratch *s) {
  const double epsilon = mpt_type_epsilon(b->type);
  mpt_rule rule = {.m = b->n,
                   .w = s->w,
                   .multiplet = part(b->multiplet, k, b->n, sizeof(int32_t)),
                   .gw = s->gw,
                   .noise = 8 * epsilon * sqrt((double)b->n),
                   .norm = mpt_spectral_norm(b->n, s->w),
                   .epsilon = epsilon};
  rule.gap_scale = fmin(1, 1 / scale_of(rule.norm));
  backward(engine, state, team, options, b, k, &rule, s);
}

static void finish_problem(const mpt_engine *engine, mpt_state *state, const mpt_team *team,
                           const mpt_options *options, mpt_batch *b, int64_t k, scratch *s) {
  mpt_report *report = &b->report[k];
  const double epsilon = mpt_type_epsilon(b->type);
  mpt_reals_to_double(b->type, b->n, part(b->w, k, b->n, mpt_real_size(b->type)), s->w);
  if (b->v && b->a) mpt_certify(team, b, k);
  bool sound = report->residual <= certificate_bound && report->orthogonality <= certificate_bound;
  for (int64_t j = 0; j < b->n; j++) sound &= isfinite(s->w[j]) && (!j || s->w[j - 1] <= s->w[j]);
  if (!sound || report->status != MPT_PENDING) {
    report->status = MPT_INTERNAL;
    return;
  }
  const double norm = mpt_spectral_norm(b->n, s->w);
  double tolerance = options->tolerance > 0 ? options->tolerance : 8 * (double)b->n * epsilon;
  int32_t *multiplet = part(b->multiplet, k, b->n, sizeof *multiplet);
  mpt_number_multiplets(b->n, s->w, tolerance * norm, multiplet);
  report->min_gap = mpt_min_gap(b->n, s->w, multiplet, norm);
  if (b->g)
    differentiate_problem(engine, state, team, options, b, k, s);
  else
    report->status = MPT_OK;
}

/* The steps one after the other, problem by problem. */
static mpt_code process_each(const mpt_engine *engine, mpt_state *state, const mpt_team *team,
                             const mpt_options *options, mpt_batch *b) {
  double *memory = mpt_alloc(3 * b->n + 1, sizeof(double));
  int failed = !memory;
  if (team->size > 1) MPI_Allreduce(MPI_IN_PLACE, &failed, 1, MPI_INT, MPI_MAX, team->comm);
  if (!failed) {
    scratch s = {memory, memory + b->n, memory + 2 * b->n};
    if (b->a) mpt_check_input(team, options->triangle, b);
    if (!b->given) engine->solve(state, b);
    for (int64_t k = 0; k < b->count; k++)
      if (b->report[k].status == MPT_PENDING)
        finish_problem(engine, state, team, options, b, k, &s);
  }
  free(memory);
  return failed ? MPT_NO_RESOURCE : MPT_DONE;
}

void mpt_process_batch(const mpt_engine *engine, mpt_state *state, const mpt_team *team,
                       const mpt_options *options, mpt_batch *batch) {
  const double start = mpt_now();
  mpt_code code = engine->process ? engine->process(state, options, batch)
                                  : process_each(engine, state, team, options, batch);
  const double seconds = (mpt_now() - start) / (double)(batch->count ? batch->count : 1);
  for (int64_t k = 0; k < batch->count && !batch->bare; k++) {
    mpt_report *report = &batch->report[k];
    if (code != MPT_DONE && report->status == MPT_PENDING) report->status = MPT_INTERNAL;
    report->seconds = seconds;
    if (report->status != MPT_OK && mpt_status_is_failure(report->status))
      zero_outputs(batch, k);
    else if (report->refused)
      zero_gradient(batch, k);
  }
}
