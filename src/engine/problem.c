#include "engine/certificate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/agree.h"
#include "engine/lanes/lanes.h"
#include "engine/outputs.h"
#include "engine/reduced.h"
#include "engine/retry.h"
#include "engine/whole.h"
#include "engine/turn.h"

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

void mpt_zero_pairs(mpt_batch *b, int64_t k) {
  const int64_t columns = mpt_batch_columns(b), elements = b->rows * columns;
  size_t size = mpt_type_size(b->type), real = mpt_real_size(b->type);
  memset(mpt_part_of(b->w, k, columns, real), 0, (size_t)columns * real);
  if (b->v) memset(mpt_part_of(b->v, k, elements, size), 0, (size_t)elements * size);
}

static void zero_factor(mpt_batch *b, int64_t k) {
  const int64_t n = b->n, elements = b->rows * n;
  const size_t size = mpt_type_size(b->type), real = mpt_real_size(b->type);
  memset(mpt_part_of(b->factor.reflectors, k, elements, size), 0, (size_t)elements * size);
  memset(mpt_part_of(b->factor.eigenvalues, k, n, real), 0, (size_t)n * real);
  if (!b->factor.tau) return;
  memset(mpt_part_of(b->factor.tau, k, n, size), 0, (size_t)n * size);
  memset(mpt_part_of(b->factor.diagonal, k, n, real), 0, (size_t)n * real);
  memset(mpt_part_of(b->factor.offdiagonal, k, n, real), 0, (size_t)n * real);
}

static void zero_outputs(mpt_batch *b, int64_t k) {
  if (!b->given) mpt_zero_pairs(b, k);
  const int64_t columns = mpt_batch_columns(b);
  memset(mpt_part_of(b->multiplet, k, columns, sizeof(int32_t)), 0,
         (size_t)columns * sizeof(int32_t));
  if (b->found) b->found[k] = 0;
  if (b->factor.reflectors) zero_factor(b, k);
  mpt_zero_made(b, k);
  b->report[k] = (mpt_report){.status = b->report[k].status, .seconds = b->report[k].seconds};
}

void mpt_settle_gradient(const mpt_options *options, const mpt_finding *found, mpt_report *report) {
  report->gauge_violation = found->gauge;
  report->cotangent_spread = found->spread;
  report->gradient_error = found->error;
  report->rule = (int8_t)found->kind;
  /* a status tells what was refused: the gauge first, as of the warnings */
  const bool gauge = found->dependent && options->gauge_policy == MPT_GAUGE_FAIL;
  const bool spread = found->differ && options->spread_policy == MPT_REFUSE;
  report->refused = gauge || spread;
  if (!found->finite)
    report->status = MPT_NONFINITE_COTANGENT;
  else if (found->dependent && (gauge || !spread))
    report->status = MPT_GAUGE_DEPENDENT;
  else
    report->status = found->differ ? MPT_SUBGRADIENT : MPT_OK;
}

double mpt_tolerance(const mpt_options *options, const mpt_batch *b) {
  return options->tolerance > 0 ? options->tolerance : mpt_resolution(b->type, b->n);
}

static void finish_problem(mpt_output_context *m, int64_t k) {
  mpt_batch *b = m->batch;
  mpt_report *report = &b->report[k];
  mpt_reals_to_double(b->type, b->n, mpt_part_of(b->w, k, b->n, mpt_real_size(b->type)), m->w);
  const double norm = mpt_spectral_norm(b->n, m->w);
  bool sound = true;
  for (int64_t j = 0; j < b->n; j++) sound &= isfinite(m->w[j]) && (!j || m->w[j - 1] <= m->w[j]);
  int32_t *multiplet = mpt_part_of(b->multiplet, k, b->n, sizeof *multiplet);
  mpt_number_multiplets(b->n, m->w, mpt_tolerance(m->options, b) * norm, multiplet);
  if (sound && b->v && !b->given)
    sound =
        mpt_turn_multiplets(m->team, m->options, b, 0, b->n, m->w, norm, multiplet,
                            mpt_part_of(b->v, k, b->rows * b->n, mpt_type_size(b->type))) == MPT_OK;
  if (b->a)
    sound &= b->v ? mpt_certify(m->team, b, k, norm) : mpt_certify_values(m->team, b, k, m->w);
  if (!sound || report->status != MPT_PENDING) {
    report->status = MPT_INTERNAL;
    return;
  }
  report->min_gap = mpt_min_gap(b->n, m->w, multiplet, norm);
  mpt_make_outputs(m, k);
}

/* What an engine that takes whole batches leaves to be made of its eigenpairs. */
static void finish_pairs(mpt_output_context *m, int64_t k) {
  const mpt_batch *b = m->batch;
  mpt_reals_to_double(b->type, b->n, mpt_part_of(b->w, k, b->n, mpt_real_size(b->type)), m->w);
  mpt_make_outputs(m, k);
}

/* The engine does whole batches; what it has no kernels for, and then gradients too, is made
 * problem by problem. */
static mpt_code process_at_once(const mpt_engine *engine, mpt_state *state, const mpt_team *team,
                                const mpt_options *options, mpt_batch *b) {
  mpt_code code = MPT_DONE;
  mpt_output_context m = {0};
  mpt_batch pairs = *b;
  if (!mpt_has_outputs(b)) return engine->process(state, options, b);
  pairs.g = NULL;
  pairs.da = NULL;
  pairs.function_count = 0;
  pairs.frame.columns = 0;
  code = engine->process(state, options, &pairs);
  for (int64_t k = 0; k < b->count; k++) /* there is more to be made before a problem is OK */
    if (b->report[k].status == MPT_OK) b->report[k].status = MPT_PENDING;
  TRY(code);
  TRY(mpt_output_context_open(engine, state, team, options, b, &m));
  for (int64_t k = 0; k < b->count; k++)
    if (b->report[k].status == MPT_PENDING) finish_pairs(&m, k);
done:
  mpt_output_context_close(&m);
  return code;
}

/* The steps one after the other, problem by problem. */
static mpt_code process_each(const mpt_engine *engine, mpt_state *state, const mpt_team *team,
                             const mpt_options *options, mpt_batch *b) {
  mpt_output_context m;
  int failed = mpt_output_context_open(engine, state, team, options, b, &m) != MPT_DONE;
  if (team->size > 1) MPI_Allreduce(MPI_IN_PLACE, &failed, 1, MPI_INT, MPI_MAX, team->comm);
  if (!failed) {
    if (b->a) mpt_check_input(team, options->triangle, b);
    if (!b->given) engine->solve(state, b);
    for (int64_t k = 0; k < b->count; k++)
      if (b->report[k].status == MPT_PENDING) finish_problem(&m, k);
  }
  mpt_output_context_close(&m);
  return failed ? MPT_NO_RESOURCE : MPT_DONE;
}

typedef mpt_code process(const mpt_engine *, mpt_state *, const mpt_team *, const mpt_options *,
                         mpt_batch *);

/* Functions, frames and directions see the whole spectrum. */
bool mpt_is_reduced(const mpt_engine *engine, const mpt_batch *batch) {
  return batch->select.kind != MPT_SELECT_ALL && engine->partial && !mpt_has_outputs(batch);
}

static process *choose_process(const mpt_engine *engine, const mpt_batch *batch) {
  if (batch->select.kind == MPT_SELECT_ALL) return engine->process ? process_at_once : process_each;
  return mpt_is_reduced(engine, batch) ? mpt_process_reduced : mpt_process_whole;
}

/* Whether those of its problems that failed should be solved again. Lanes have handed over theirs
 * by then; a selection out of the whole consists of batches that come here themselves. */
static bool is_first_solution(const mpt_engine *engine, const mpt_batch *b) {
  const bool whole = b->select.kind == MPT_SELECT_ALL || mpt_is_reduced(engine, b);
  return engine->takes_team && whole && b->a && !b->given && !b->factor.given;
}

void mpt_process_batch(const mpt_engine *engine, mpt_state *state, const mpt_team *team,
                       const mpt_options *options, mpt_batch *batch) {
  const double start = mpt_now();
  choose_process(engine, batch)(engine, state, team, options, batch);
  if (is_first_solution(engine, batch)) mpt_retry(team, options, batch);
  const double seconds = (mpt_now() - start) / (double)(batch->count ? batch->count : 1);
  for (int64_t k = 0; k < batch->count && !batch->bare; k++) {
    mpt_report *report = &batch->report[k];
    /* memory ran out, or nobody wanted it: what is left has not all been made */
    if (report->status == MPT_PENDING) report->status = MPT_INTERNAL;
    report->seconds = seconds;
    if (report->status != MPT_OK && mpt_status_is_failure(report->status))
      zero_outputs(batch, k);
    else if (report->refused)
      mpt_zero_gradient(batch, k);
  }
}
