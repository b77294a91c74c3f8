#include "engine/process.h"

#include <math.h>
#include "engine/certificate.h"
#include "engine/outputs.h"
#include "engine/policy.h"
#include "engine/reduced.h"
#include "engine/retry.h"
#include "engine/turn.h"
#include "engine/whole.h"

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
    sound = mpt_turn_multiplets(m->team, m->options, b, 0, b->n, m->w, norm, multiplet,
                                mpt_part_of(b->v, k, b->rows * b->n, mpt_type_size(b->type))) ==
            MPT_STATUS_OK;
  if (b->a)
    sound &= b->v ? mpt_certify(m->team, b, k, norm) : mpt_certify_values(m->team, b, k, m->w);
  if (!sound || report->status != MPT_STATUS_PENDING) {
    report->status = MPT_STATUS_INTERNAL;
    return;
  }
  report->min_gap = mpt_min_gap(b->n, m->w, multiplet, norm);
  mpt_make_outputs(m, k);
}

/* Makes the remaining outputs from the eigenpairs of an engine that takes whole batches. */
static void finish_pairs(mpt_output_context *m, int64_t k) {
  const mpt_batch *b = m->batch;
  mpt_reals_to_double(b->type, b->n, mpt_part_of(b->w, k, b->n, mpt_real_size(b->type)), m->w);
  mpt_make_outputs(m, k);
}

/* The engine processes whole batches. Outputs for which it has no kernels, and then gradients too,
 * are made problem by problem. */
static mpt_code process_at_once(const mpt_engine *engine, mpt_state *state, const mpt_team *team,
                                const mpt_options *options, mpt_batch *b) {
  mpt_code code = MPT_DONE;
  mpt_output_context m = {0};
  mpt_batch pairs = mpt_batch_pairs(b);
  if (!mpt_has_outputs(b)) return engine->process(state, options, b);
  code = engine->process(state, options, &pairs);
  for (int64_t k = 0; k < b->count; k++) /* it is OK only after its other outputs */
    if (b->report[k].status == MPT_STATUS_OK) b->report[k].status = MPT_STATUS_PENDING;
  TRY(code);
  TRY(mpt_output_context_open(engine, state, team, options, b, &m));
  for (int64_t k = 0; k < b->count; k++)
    if (b->report[k].status == MPT_STATUS_PENDING) finish_pairs(&m, k);
done:
  mpt_output_context_close(&m);
  return code;
}

/* Does all steps problem by problem. */
static mpt_code process_each(const mpt_engine *engine, mpt_state *state, const mpt_team *team,
                             const mpt_options *options, mpt_batch *b) {
  mpt_output_context m;
  const bool failed =
      mpt_team_any(team, mpt_output_context_open(engine, state, team, options, b, &m) != MPT_DONE);
  if (!failed) {
    if (b->a) mpt_check_input(team, options->triangle, b);
    if (!b->given) engine->solve(state, b);
    for (int64_t k = 0; k < b->count; k++)
      if (b->report[k].status == MPT_STATUS_PENDING) finish_problem(&m, k);
  }
  mpt_output_context_close(&m);
  return failed ? MPT_NO_RESOURCE : MPT_DONE;
}

/* Solves the whole spectrum and takes out what is wanted; cotangents of the other eigenpairs are
 * zero. */
static mpt_code process_whole(const mpt_engine *engine, mpt_state *state, const mpt_team *team,
                              const mpt_options *options, mpt_batch *b) {
  mpt_whole w;
  const mpt_code code = mpt_whole_open(&w, team, b);
  if (code == MPT_DONE) {
    mpt_batch pairs = mpt_whole_pairs(&w);
    mpt_process_batch(engine, state, team, options, &pairs);
    mpt_whole_select(&w, options);
    if (b->g || mpt_has_outputs(b)) {
      mpt_batch outputs = mpt_whole_outputs(&w);
      mpt_process_batch(engine, state, team, options, &outputs);
      mpt_whole_recall(&w);
    }
    mpt_whole_take_out(&w);
  }
  mpt_whole_close(&w);
  return code;
}

typedef mpt_code process(const mpt_engine *, mpt_state *, const mpt_team *, const mpt_options *,
                         mpt_batch *);

bool mpt_is_reduced(const mpt_engine *engine, const mpt_batch *batch) {
  return batch->select.kind != MPT_SELECT_ALL && engine->reduced && !mpt_has_outputs(batch);
}

static process *choose_process(const mpt_engine *engine, const mpt_batch *batch) {
  if (batch->select.kind == MPT_SELECT_ALL) return engine->process ? process_at_once : process_each;
  return mpt_is_reduced(engine, batch) ? mpt_process_reduced : process_whole;
}

/* Whether the failed problems of this batch should be solved again. Lanes have passed theirs on
 * already, and a selection out of the whole spectrum is solved as batches that come here
 * themselves. */
static bool is_first_solution(const mpt_engine *engine, const mpt_batch *b) {
  const bool whole = b->select.kind == MPT_SELECT_ALL || mpt_is_reduced(engine, b);
  return engine->takes_team && whole && b->a && !b->given && !b->factor_given;
}

static void retry(const mpt_team *team, const mpt_options *options, mpt_batch *b, int64_t k) {
  const mpt_team alone = mpt_team_of_one();
  const mpt_report first = b->report[k];
  mpt_retry r;
  if (mpt_retry_open(&r, team, b, k)) {
    if (team->rank == 0) mpt_process_batch(&mpt_lapack, r.state, &alone, options, &r.one);
    mpt_retry_share(&r);
    mpt_note_retry(&first, b->n, b->v != NULL, &b->report[k]);
  }
  mpt_retry_close(&r);
}

void mpt_process_batch(const mpt_engine *engine, mpt_state *state, const mpt_team *team,
                       const mpt_options *options, mpt_batch *batch) {
  const double start = mpt_now();
  choose_process(engine, batch)(engine, state, team, options, batch);
  for (int64_t k = 0; k < batch->count && is_first_solution(engine, batch); k++)
    if (mpt_is_worth_retrying(&batch->report[k])) retry(team, options, batch, k);
  const double seconds = (mpt_now() - start) / (double)(batch->count ? batch->count : 1);
  for (int64_t k = 0; k < batch->count; k++) {
    mpt_report *report = &batch->report[k];
    /* memory ran out, or the engine left the problem out: its outputs are not complete */
    if (report->status == MPT_STATUS_PENDING) report->status = MPT_STATUS_INTERNAL;
    report->seconds = seconds;
    if (report->status != MPT_STATUS_OK && mpt_status_is_failure(report->status))
      mpt_zero_outputs(batch, k);
    else if (report->refused)
      mpt_zero_gradient(batch, k);
  }
}
