/* Sampled gradients against finite differences of the same loss (check.h). */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "mpi/agree.h"
#include "check/check.h"
#include "check/check_outputs.h"
#include "spectral/spectral.h"

enum { DIRECTIONS = 2 };
static mpt_code stored_error(const mpt_check *c, const mpt_check_group *g, int64_t problem,
                             double *value, mpt_error *error) {
  *value = 0;
  /* of a mean it says how far that is from any one-sided gradient, not how well it is computed */
  if (g->status[problem] == MPT_STATUS_SUBGRADIENT) return MPT_DONE;
  if (!mpt_view_has(g->stored, MPT_GRADIENT_ERROR)) return MPT_DONE;
  return mpt_view_read(&c->view, g->stored, MPT_GRADIENT_ERROR, problem, 1, value, error);
}

/* What rounding in the result's type may have done to the gradient, relative to its size: by its
 * own account, by the turn of eigenvectors, and by leaving out what is under the noise. */
static double rounding(const mpt_loss *l, double stored, double scale) {
  double turn = (double)l->n * l->epsilon * fmax(l->norm / l->gap, 1);
  return stored + turn + (scale > 0 ? l->dropped / scale : 0);
}

static void judge(const mpt_loss *l, const mpt_difference *d, double stored,
                  mpt_check_sample *sample) {
  double scale = d->scale > 0 ? d->scale : 1;
  double difference = fabs(d->found - d->expected) / scale;
  double slack = 20 * d->error / scale + rounding(l, stored, scale);
  mpt_sample_record(sample, difference, MPT_DIFFERENCES_CARRY, slack);
}

/* Under the `fail` policies a problem of a warning has no gradient. */
static bool is_refused(const mpt_check *c, const mpt_check_group *g, const mpt_check_sample *s) {
  return (g->status[s->index] == MPT_STATUS_GAUGE_DEPENDENT &&
          c->config.gauge_policy == MPT_GAUGE_FAIL) ||
         (g->status[s->index] == MPT_STATUS_SUBGRADIENT &&
          c->config.spread_policy == MPT_SPREAD_REFUSE);
}

/* Whether gw differs inside a multiplet. */
static bool tells_apart(const mpt_loss *l) {
  double *gw = mpt_alloc(l->n, sizeof *gw);
  if (!gw) return true;
  memcpy(gw, l->gw, (size_t)l->n * sizeof *gw);
  const double spread = mpt_apply_spread_policy(l->n, l->multiplet, MPT_SPREAD_RAW, gw);
  free(gw);
  return spread > sqrt(l->epsilon);
}

/* Whether the gradient is one that cotangents and differences of their own loss do not have: of a
 * function of the matrix, which is more than they say inside a multiplet, or a random estimate. */
static mpt_code is_beyond(const mpt_check *c, const mpt_check_group *g, const mpt_check_sample *s,
                          const mpt_loss *l, bool *beyond, mpt_error *error) {
  int8_t rule = MPT_RULE_PLAIN;
  mpt_code code = MPT_DONE;
  if (mpt_view_has(g->stored, MPT_GRADIENT_RULE))
    code = mpt_view_read(&c->view, g->stored, MPT_GRADIENT_RULE, s->index, 1, &rule, error);
  *beyond = (rule == MPT_RULE_FORM || rule == MPT_RULE_UNBIASED) && tells_apart(l);
  return code;
}

static mpt_code try_loss(const mpt_check *c, mpt_check_group *g, mpt_check_sample *sample,
                         mpt_loss *l, mpt_error *error) {
  mpt_code code;
  double stored;
  mpt_difference d;
  mpt_apply_spread_policy(l->n, l->multiplet, c->config.spread_policy, l->gw);
  mpt_loss_prepare(l);
  if (!mpt_loss_terms_prepare(&l->terms, l->w, l->v)) {
    sample->trial = MPT_TRIAL_UNTESTABLE;
    return MPT_DONE;
  }
  TRY(stored_error(c, g, sample->index, &stored, error));
  for (uint64_t k = 0; k < DIRECTIONS; k++) {
    uint64_t seed = ((uint64_t)sample->group << 48) + (uint64_t)sample->index * DIRECTIONS + k;
    if (!mpt_loss_difference(l, seed, &d))
      sample->trial = MPT_TRIAL_UNTESTABLE;
    else
      judge(l, &d, stored, sample);
  }
done:
  return code;
}

static mpt_code try_gradient(const mpt_check *c, mpt_check_sample *sample, mpt_loss *l, bool usable,
                             mpt_error *error) {
  mpt_code code;
  mpt_check_group *g = &c->groups[sample->group];
  char *path = mpt_view_path(g->stored->path, mpt_quantities[MPT_GRADIENT].name);
  TRY(path ? MPT_DONE : mpt_no_memory("make a name", error));
  TRY(mpt_loss_read(l, c->view.file, path, sample->index, l->n, l->g, error));
  if (c->config.convention == MPT_CONVENTION_JAX) mpt_conjugate(MPT_COMPLEX128, l->n * l->n, l->g);
  bool beyond;
  TRY(is_beyond(c, g, sample, l, &beyond, error));
  sample->trial = MPT_TRIAL_PASSED;
  /* Cotangents of eigenvalues alone do not care which basis a multiplet has, under `mean`. */
  const bool known = l->pairs || (!l->vectors && c->config.spread_policy == MPT_SPREAD_MEAN);
  if (!mpt_all_finite(MPT_COMPLEX128, l->n * l->n, l->g)) {
    sample->trial = MPT_TRIAL_FAILED;
    sample->difference = INFINITY;
  } else if (is_refused(c, g, sample)) {
    double size = mpt_scan_slab(MPT_COMPLEX128, 0, l->n, l->n, l->g, MPT_TRIANGLE_FULL).largest;
    sample->trial = size > 0 ? MPT_TRIAL_FAILED : MPT_TRIAL_PASSED;
    sample->difference = size > 0;
  } else if (!usable || !known || beyond) {
    sample->trial = MPT_TRIAL_UNTESTABLE;
  } else {
    TRY(try_loss(c, g, sample, l, error));
  }
done:
  free(path);
  return code;
}

/* All outputs of one problem. */
static mpt_code try_problem(const mpt_check *c, const mpt_check_sources *s, mpt_check_sample *items,
                            mpt_error *error) {
  mpt_code code;
  mpt_check_group *g = &c->groups[items->group];
  mpt_loss loss = {0};
  bool usable = false;
  TRY(mpt_loss_init(&loss, g->input->n, error));
  TRY(mpt_loss_load(c, s, g, items->index, &loss, &usable, error));
  if (mpt_view_has(g->stored, MPT_GRADIENT) && c->config.cotangents)
    TRY(try_gradient(c, items, &loss, usable, error));
  if (usable) TRY(mpt_check_outputs(c, s, items + 1, &loss, error));
done:
  mpt_loss_release(&loss);
  return code;
}

/* Whether something of a problem can be compared. */
static bool has_outputs(const mpt_check *c, const mpt_check_group *g, int64_t b) {
  const bool gradient = mpt_view_has(g->stored, MPT_GRADIENT) && c->config.cotangents;
  const bool some = gradient || mpt_view_has(g->stored, MPT_FRAME) ||
                    mpt_view_has(g->stored, MPT_TANGENT_EIGENVALUES) ||
                    (c->config.functions.count && c->config.store & MPT_STORE_FUNCTIONS);
  return some && mpt_check_is_solved(g->status[b]);
}

static bool fits(const mpt_check *c, const mpt_check_group *g) {
  const int64_t n = g->input->n;
  const int64_t matrices =
      mpt_loss_matrices() + c->config.functions.count + 1 + MPT_OUTPUT_MATRICES;
  return n <= 30000 && matrices * n * (n + 64) <= c->room;
}

static void add_problem(const mpt_check *c, mpt_check_samples *samples, int64_t group,
                        int64_t index) {
  mpt_check_sample *items = samples->items + samples->problems++ * samples->outputs;
  for (int64_t k = 0; k < samples->outputs; k++)
    items[k] = (mpt_check_sample){
        .group = group, .index = index, .quantity = MPT_GRADIENT, .trial = MPT_TRIAL_ABSENT};
  mpt_check_name_outputs(c, items + 1);
}

/* The k-th sample is problem number k * total / wanted of those that fit. */
static mpt_code choose(mpt_check *c, int64_t wanted, mpt_check_samples *samples, mpt_error *error) {
  mpt_code code;
  int64_t total = 0, number = 0;
  for (int64_t k = 0; k < c->count; k++)
    for (int64_t b = 0; b < c->groups[k].input->count; b++)
      if (has_outputs(c, &c->groups[k], b))
        *(fits(c, &c->groups[k]) ? &total : &samples->too_large) += 1;
  if (total + samples->too_large == 0)
    return mpt_fail(error, MPT_BAD_INPUT,
                    "cannot check gradients of '%s': no problem has one, nor another output that "
                    "can be compared (check without --gradients)",
                    c->view.name);
  if (wanted > total) wanted = total;
  samples->outputs = 1 + mpt_check_output_count(c);
  TRY(mpt_allocate(&samples->items, wanted * samples->outputs, sizeof *samples->items, "samples",
                   error));
  for (int64_t k = 0; k < c->count; k++)
    for (int64_t b = 0; fits(c, &c->groups[k]) && b < c->groups[k].input->count; b++) {
      if (!has_outputs(c, &c->groups[k], b)) continue;
      double next = (double)samples->problems * (double)total / (double)wanted;
      if (samples->problems < wanted && (double)number >= floor(next))
        add_problem(c, samples, k, b);
      number++;
    }
  samples->count = samples->problems * samples->outputs;
done:
  return code;
}

/* Each problem was tried on one rank. */
static void share_samples(const mpt_check *c, mpt_check_samples *samples) {
  for (int64_t k = 0; k < samples->problems; k++) {
    int owner = (int)(k % c->size);
    MPI_Bcast(samples->items + k * samples->outputs,
              (int)(samples->outputs * (int64_t)sizeof *samples->items), MPI_BYTE, owner, c->comm);
  }
}

mpt_code mpt_check_gradients(mpt_check *c, int64_t wanted, mpt_check_samples *samples,
                             mpt_error *error) {
  mpt_code code = MPT_DONE;
  mpt_check_sources s = {.cotangents = H5I_INVALID_HID, .direction = H5I_INVALID_HID};
  /* Ranks with less memory must not choose other samples. */
  MPI_Allreduce(MPI_IN_PLACE, &c->room, 1, MPI_INT64_T, MPI_MIN, c->comm);
  AGREE(c->comm, choose(c, wanted, samples, error));
  AGREE(c->comm, mpt_check_sources_open(c, &s, error));
  for (int64_t k = c->rank; k < samples->problems && code == MPT_DONE; k += c->size)
    code = try_problem(c, &s, samples->items + k * samples->outputs, error);
  AGREE(c->comm, code);
  share_samples(c, samples);
done:
  mpt_check_sources_close(&s);
  return code;
}
