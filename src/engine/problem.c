#include "certificate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "agree.h"

/* Beyond this many units of n eps ||A|| a solution is not a solution. LAPACK's own tests warn at
 * 30. */
static const double certificate_bound = 100;

const mpt_engine *const mpt_engines[] = {&mpt_lapack, &mpt_scalapack, NULL};

const mpt_engine *mpt_engine_by_name(const char *name) {
  for (const mpt_engine *const *e = mpt_engines; *e; e++)
    if (!strcmp((*e)->name, name)) return *e;
  return NULL;
}

const mpt_engine *mpt_engine_for(const mpt_shape *shape) {
  (void)shape;
  return &mpt_lapack;
}

mpt_team mpt_team_of_one(void) {
  return (mpt_team){.comm = MPI_COMM_SELF, .rank = 0, .size = 1, .grid = {1, 1}};
}

int64_t mpt_slab_start(int64_t n, int size, int rank) {
  return n / size * rank + n % size * rank / size;
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

/* Loads the cotangents' sizes into the rule; false when one is not finite. */
static bool load_cotangents(const mpt_team *team, const mpt_batch *b, int64_t k, scratch *s,
                            mpt_rule *rule) {
  const int64_t n = b->n;
  bool finite = true;
  memset(s->norm, 0, sizeof(double) * (size_t)(n + 1));
  memset(s->gw, 0, sizeof(double) * (size_t)n);
  if (b->gw) mpt_reals_to_double(b->type, n, part(b->gw, k, n, mpt_real_size(b->type)), s->gw);
  for (int64_t j = 0; j < n; j++) finite &= isfinite(s->gw[j]) != 0;
  rule->gv_norm = NULL;
  if (!b->gv) return finite;
  const void *gv = part(b->gv, k, b->rows * n, mpt_type_size(b->type));
  mpt_scan scan = mpt_scan_slab(b->type, 0, b->rows, n, gv, MPT_FULL);
  double all[2] = {scan.finite ? 0 : 1, scan.largest};
  if (team->size > 1) MPI_Allreduce(MPI_IN_PLACE, all, 2, MPI_DOUBLE, MPI_MAX, team->comm);
  if (all[0] > 0) return false;
  if (all[1] == 0) return finite;
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

static void backward(const mpt_engine *engine, mpt_state *state, const mpt_team *team,
                     const mpt_options *options, mpt_batch *b, int64_t k, mpt_rule *rule,
                     scratch *s) {
  mpt_report *report = &b->report[k];
  if (!load_cotangents(team, b, k, s, rule)) {
    report->status = MPT_NONFINITE_COTANGENT;
    return;
  }
  const double threshold = sqrt(rule->epsilon);
  report->cotangent_spread =
      mpt_apply_spread_policy(b->n, rule->multiplet, options->spread_policy, rule->gw);
  mpt_sums sums = {0};
  engine->differentiate(state, b, k, rule, !b->given && b->count == 1, &sums);
  sums = add_over_team(team, sums);
  report->gauge_violation = fmin(sums.gauge, 1);
  report->gradient_error = mpt_gradient_error(rule, &sums);
  void *g = part(b->g, k, b->rows * b->n, mpt_type_size(b->type));
  if (options->convention == MPT_JAX) mpt_conjugate(b->type, b->rows * b->n, g);
  if (!finite_on_team(team, b, g)) {
    report->status = MPT_NONFINITE_COTANGENT; /* finite cotangents too large for this spectrum */
    return;
  }
  bool dependent = report->gauge_violation > threshold;
  bool spread = options->spread_policy == MPT_REFUSE && report->cotangent_spread > threshold;
  report->refused = spread || (dependent && options->gauge_policy == MPT_GAUGE_FAIL);
  if (dependent || spread) report->status = MPT_GAUGE_DEPENDENT;
  if (report->refused) zero_gradient(b, k);
}

static void finish_problem(const mpt_engine *engine, mpt_state *state, const mpt_team *team,
                           const mpt_options *options, mpt_batch *b, int64_t k, scratch *s) {
  mpt_report *report = &b->report[k];
  const double epsilon = mpt_type_epsilon(b->type);
  mpt_reals_to_double(b->type, b->n, part(b->w, k, b->n, mpt_real_size(b->type)), s->w);
  if (b->v) mpt_certify(team, b, k);
  bool sound = report->residual <= certificate_bound && report->orthogonality <= certificate_bound;
  for (int64_t j = 0; j < b->n; j++) sound &= isfinite(s->w[j]) && (!j || s->w[j - 1] <= s->w[j]);
  if (!sound || report->status != MPT_PENDING) {
    report->status = MPT_INTERNAL;
    return;
  }
  mpt_rule rule = {.m = b->n,
                   .w = s->w,
                   .multiplet = part(b->multiplet, k, b->n, sizeof(int32_t)),
                   .gw = s->gw,
                   .noise = 8 * epsilon * sqrt((double)b->n),
                   .norm = mpt_spectral_norm(b->n, s->w),
                   .epsilon = epsilon};
  double tolerance = options->tolerance > 0 ? options->tolerance : 8 * (double)b->n * epsilon;
  mpt_number_multiplets(b->n, s->w, tolerance * rule.norm, (int32_t *)(uintptr_t)rule.multiplet);
  report->min_gap = mpt_min_gap(b->n, s->w, rule.multiplet, rule.norm);
  if (b->g) backward(engine, state, team, options, b, k, &rule, s);
  if (report->status == MPT_PENDING) report->status = MPT_OK;
}

void mpt_process_batch(const mpt_engine *engine, mpt_state *state, const mpt_team *team,
                       const mpt_options *options, mpt_batch *batch) {
  const double start = mpt_now();
  double *memory = mpt_alloc(3 * batch->n + 1, sizeof(double));
  int failed = !memory;
  if (team->size > 1) MPI_Allreduce(MPI_IN_PLACE, &failed, 1, MPI_INT, MPI_MAX, team->comm);
  for (int64_t k = 0; failed && k < batch->count; k++) batch->report[k].status = MPT_INTERNAL;
  if (!failed) {
    scratch s = {memory, memory + batch->n, memory + 2 * batch->n};
    mpt_check_input(team, options->triangle, batch);
    if (!batch->given) engine->solve(state, batch);
    for (int64_t k = 0; k < batch->count; k++)
      if (batch->report[k].status == MPT_PENDING)
        finish_problem(engine, state, team, options, batch, k, &s);
  }
  free(memory);
  double seconds = (mpt_now() - start) / (double)(batch->count ? batch->count : 1);
  for (int64_t k = 0; k < batch->count; k++) {
    batch->report[k].seconds = seconds;
    if (mpt_status_is_failure(batch->report[k].status)) zero_outputs(batch, k);
  }
}
