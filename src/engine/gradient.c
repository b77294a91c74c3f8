/* The gradient of one problem: V X V^H with X the sum of what each cotangent contributes. */
#include "engine/gradient.h"

#include <limits.h>
#include <math.h>
#include <string.h>
#include "engine/policy.h"

/* Which cotangents there are: the largest element of each kind, and the largest slope of the
 * functions that have a cotangent. */
typedef struct survey {
  double values, vectors, frame, functions, steepest;
  bool finite;
} survey;

static double largest_of(const mpt_output_context *m, const void *array, int64_t k, int64_t each,
                         survey *s) {
  const mpt_batch *b = m->batch;
  if (!array) return 0;
  const double largest = mpt_largest_on_team(m->team, b->type, each,
                                             mpt_part_of(array, k, each, mpt_type_size(b->type)));
  s->finite &= largest >= 0;
  return largest;
}

static survey survey_cotangents(const mpt_output_context *m, int64_t k) {
  const mpt_batch *b = m->batch;
  survey s = {.finite = true};
  for (int64_t j = 0; j < b->n; j++) {
    s.finite &= isfinite(m->gw[j]) != 0;
    s.values = fmax(s.values, fabs(m->gw[j]));
  }
  s.vectors = largest_of(m, b->gv, k, b->rows * b->n, &s);
  if (b->frame.columns) s.frame = largest_of(m, b->gframe, k, b->rows * b->frame.columns, &s);
  for (int f = 0; f < b->function_count; f++) {
    const double largest = largest_of(m, b->functions[f].cotangent, k, b->rows * b->n, &s);
    s.functions = fmax(s.functions, largest);
    if (mpt_function_range(&b->functions[f].function) && largest > 0 && m->rule.norm > 0)
      s.steepest = fmax(s.steepest, 1 / m->rule.norm);
    for (int64_t i = 0; i < b->n && largest > 0; i++)
      s.steepest = fmax(s.steepest, fabs(m->functions[f].slope[i]));
  }
  return s;
}

/* The exponent of what functions and a frame contribute to X: cotangent times slope, and cotangent
 * / ||A||. */
static int exponent_of_others(double norm, const survey *s) {
  int exponent = INT_MIN / 4;
  if (s->functions > 0 && s->steepest > 0) exponent = ilogb(s->functions) + ilogb(s->steepest);
  if (s->frame > 0 && norm > 0) {
    const int frame = ilogb(s->frame) - ilogb(norm);
    if (frame > exponent) exponent = frame;
  }
  return exponent;
}

/* The precision of the eigenvectors' cotangents, the same on all ranks: the worst that any rank
 * with cotangents finds. */
static double precision_of(const mpt_output_context *m, int64_t k) {
  const mpt_batch *b = m->batch;
  const int64_t elements = b->rows * b->n;
  return mpt_team_precision(m->team, b->type, elements,
                            mpt_part_of(b->gv, k, elements, mpt_type_size(b->type)));
}

/* Loads the sizes of the cotangents into the rule; false if one is not finite. */
static bool load_cotangents(mpt_output_context *m, int64_t k) {
  const mpt_batch *b = m->batch;
  const int64_t n = b->n;
  mpt_rule *rule = &m->rule;
  memset(m->norm, 0, sizeof(double) * (size_t)(n + 1));
  memset(m->gw, 0, sizeof(double) * (size_t)n);
  if (b->gw)
    mpt_reals_to_double(b->type, n, mpt_part_of(b->gw, k, n, mpt_real_size(b->type)), m->gw);
  const survey s = survey_cotangents(m, k);
  rule->gw = m->gw;
  rule->policy = m->options->spread_policy;
  rule->gv_norm = NULL;
  rule->cotangent_epsilon = rule->epsilon;
  if (!s.finite) return false;
  if (s.vectors > 0) {
    rule->gv_norm = m->norm;
    rule->cotangent_epsilon = precision_of(m, k);
    if (!mpt_team_norms(m->team, b->type, b->rows, n,
                        mpt_part_of(b->gv, k, b->rows * n, mpt_type_size(b->type)), s.vectors,
                        m->norm))
      return false;
  }
  mpt_rule_open(rule, s.values, s.vectors, exponent_of_others(rule->norm, &s), m->rule_memory);
  return true;
}

/* Makes X from the eigenvectors' cotangents, in T. */
static void step_vectors(mpt_output_context *m, int64_t k, mpt_sums *sums) {
  const mpt_batch *b = m->batch;
  mpt_tile tile;
  mpt_into_basis(m, k, mpt_part_of(b->gv, k, b->rows * b->n, mpt_type_size(b->type)), MPT_LEFT);
  mpt_team_diagonal(m);
  for (int64_t next = 0; m->engine->next_tile(m->state, &next, &tile);)
    mpt_rule_look(&m->rule, &tile);
  mpt_share_looks(m->team, &m->rule);
  mpt_rule_fit(&m->rule, m->diagonal);
  for (int64_t next = 0; m->engine->next_tile(m->state, &next, &tile);)
    mpt_backward_tile(b->type, &m->rule, &tile, sums);
}

/* Makes X from the eigenvalues' cotangents alone, diag(gw). */
static void start_values(mpt_output_context *m, mpt_sums *sums) {
  mpt_rule_fit(&m->rule, NULL);
  if (m->team->rank == 0) mpt_add_diagonal(&m->rule, sums);
  mpt_rule_diagonal(&m->rule);
}

static void step_function(mpt_output_context *m, int64_t k, int f, mpt_sums *sums) {
  const mpt_batch *b = m->batch;
  const mpt_spectral_function *function = &m->functions[f];
  const double unit = mpt_rule_unit(&m->rule);
  const void *slab =
      mpt_part_of(b->functions[f].cotangent, k, b->rows * b->n, mpt_type_size(b->type));
  const double largest = mpt_largest_on_team(m->team, b->type, b->rows * b->n, slab);
  mpt_function_step step = {
      .function = function, .turns = m->turns, .unit = unit, .largest = largest};
  step.rounding = MPT_TURN * m->rule.epsilon * m->rule.norm;
  mpt_tile tile;
  if (largest == 0) return;
  step.level = m->rule.epsilon * largest;
  mpt_function_turns(function, m->rule.epsilon * m->rule.norm, m->turns);
  mpt_into_basis(m, k, slab, MPT_BOTH);
  if (function->weight) {
    double response = 0;
    mpt_team_diagonal(m);
    for (int64_t i = 0; i < b->n; i++) response += function->slope[i] * m->diagonal[i];
    for (int64_t i = 0; i < b->n; i++) m->shift[i] = -response * function->weight[i];
    step.shift = m->shift;
  }
  for (int64_t next = 0; m->engine->next_tile(m->state, &next, &tile);)
    mpt_function_tile(b->type, &step, &tile);
  sums->noise2 += step.noise2;
  mpt_note_null(m, k, &step);
}

/* mpt_frame_step.edge */
static double edge_of(const mpt_output_context *m) {
  const mpt_spectral_frame *f = &m->frame;
  const double *w = m->rule.w;
  double gap = INFINITY;
  if (f->first > 0) gap = fmin(gap, w[f->first] - w[f->first - 1]);
  if (f->stop < f->n) gap = fmin(gap, w[f->stop] - w[f->stop - 1]);
  return 2 * m->rule.epsilon * (1 + f->condition) * (m->rule.norm / gap);
}

/* Adds the frame's contribution to X, and makes the gradient with respect to the reference. */
static void step_frame(mpt_output_context *m, int64_t k, mpt_sums *sums) {
  const mpt_batch *b = m->batch;
  mpt_spectral_frame *f = &m->frame;
  const size_t size = mpt_type_size(b->type);
  const int64_t nc = b->rows * f->columns;
  const mpt_frame_step step = {.frame = f,
                               .w = m->rule.w,
                               .epsilon = m->rule.epsilon,
                               .edge = edge_of(m),
                               .unit = mpt_rule_unit(&m->rule)};
  mpt_tile tile;
  mpt_frame_rows(m, k, b->gframe, true, f->y);
  mpt_frame_pull_back(f);
  for (int64_t next = 0; m->engine->next_tile(m->state, &next, &tile);)
    mpt_frame_tile(b->type, &step, &tile, &sums->noise2);
  void *gr = mpt_part_of(b->greference, k, nc, size);
  if (!gr) return;
  mpt_frame_out_of_basis(m, k, f->y + f->first * f->columns, gr);
  if (m->options->convention == MPT_CONVENTION_JAX) mpt_conjugate(b->type, nc, gr);
}

/* Adds up several terms in the basis of the eigenvectors. */
static void add_terms(mpt_output_context *m, int64_t k, mpt_sums *sums) {
  const mpt_batch *b = m->batch;
  const double unit = mpt_rule_unit(&m->rule);
  mpt_tile tile;
  if (m->rule.gv_norm)
    step_vectors(m, k, sums);
  else
    start_values(m, sums);
  for (int64_t next = 0; m->engine->next_tile(m->state, &next, &tile);)
    if (m->rule.gv_norm)
      mpt_start_sum(b->type, &tile);
    else
      mpt_start_diagonal(b->type, &tile, m->rule.gw);
  for (int f = 0; f < b->function_count; f++)
    if (b->functions[f].cotangent) step_function(m, k, f, sums);
  if (b->frame.columns && b->gframe) step_frame(m, k, sums);
  sums->x2 = 0;
  for (int64_t next = 0; m->engine->next_tile(m->state, &next, &tile);)
    mpt_tile_norm(b->type, &tile, unit, &sums->x2);
}

static bool has_other_cotangents(const mpt_batch *b) {
  bool any = b->frame.columns && b->gframe;
  for (int f = 0; f < b->function_count; f++) any |= b->functions[f].cotangent != NULL;
  return any;
}

static void backward(mpt_output_context *m, int64_t k, void *g, mpt_sums *sums) {
  const bool others = has_other_cotangents(m->batch);
  if (others) {
    add_terms(m, k, sums);
    mpt_out_of_basis(m, k, true, MPT_BOTH, g);
  } else if (m->rule.gv_norm) {
    step_vectors(m, k, sums);
    mpt_out_of_basis(m, k, false, MPT_BOTH, g);
  } else {
    start_values(m, sums);
    mpt_from_diagonal(m, k, m->rule.gw, g);
  }
}

void mpt_make_gradient(mpt_output_context *m, int64_t k) {
  mpt_batch *b = m->batch;
  mpt_report *report = &b->report[k];
  if (!load_cotangents(m, k)) {
    report->status = MPT_STATUS_NONFINITE_COTANGENT;
    return;
  }
  mpt_sums sums = {0};
  void *g = mpt_part_of(b->g, k, b->rows * b->n, mpt_type_size(b->type));
  backward(m, k, g, &sums);
  sums = mpt_sums_over_team(m->team, &m->rule, sums);
  if (m->options->convention == MPT_CONVENTION_JAX) mpt_conjugate(b->type, b->rows * b->n, g);
  /* finite cotangents may be too large for this spectrum */
  mpt_finding found = mpt_find(&m->rule, &sums);
  found.finite = mpt_largest_on_team(m->team, b->type, b->rows * b->n, g) >= 0;
  mpt_settle_gradient(m->options, &found, report);
}
