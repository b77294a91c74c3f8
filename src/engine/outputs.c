#include "engine/outputs.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "engine/certificate.h"
#include "engine/gradient.h"
#include "engine/policy.h"

static mpt_status make_functions(mpt_output_context *m, int64_t k) {
  const mpt_batch *b = m->batch;
  const int64_t n = b->n;
  mpt_status status = MPT_STATUS_OK;
  for (int f = 0; f < b->function_count && status == MPT_STATUS_OK; f++) {
    const mpt_function_arrays *arrays = &b->functions[f];
    status = mpt_function_start(&arrays->function, n, m->rule.w, m->rule.multiplet,
                                mpt_resolution(b->type, n) * m->rule.norm,
                                m->function_memory + f * MPT_FUNCTION_MEMORY * n, &m->functions[f]);
    if (arrays->mu) arrays->mu[k] = status == MPT_STATUS_OK ? m->functions[f].mu : 0;
    void *value = mpt_part_of(arrays->value, k, b->rows * n, mpt_type_size(b->type));
    if (status != MPT_STATUS_OK || !value) continue;
    mpt_from_diagonal(m, k, m->functions[f].value, value);
    if (mpt_largest_on_team(m->team, b->type, b->rows * n, value) < 0)
      status = MPT_STATUS_FUNCTION_UNDEFINED; /* too large for the type */
  }
  return status;
}

static mpt_status make_frame(mpt_output_context *m, int64_t k) {
  const mpt_batch *b = m->batch;
  const size_t size = mpt_type_size(b->type);
  const int64_t columns = m->frame.columns;
  const bool each = b->frame.each;
  const void *reference = mpt_part_of(b->reference, each ? k : 0, b->rows * columns, size);
  if (mpt_largest_on_team(m->team, b->type, b->rows * columns, reference) < 0)
    return MPT_STATUS_NONFINITE_INPUT;
  mpt_frame_rows(m, k, b->reference, each, m->frame.r);
  mpt_status status = mpt_frame_start(m->rule.multiplet, m->rule.epsilon, &m->frame);
  if (status != MPT_STATUS_OK) return status;
  b->report[k].frame_condition = m->frame.condition;
  void *value = mpt_part_of(b->frame_value, k, b->rows * columns, size);
  if (value) mpt_frame_out_of_basis(m, k, m->frame.polar, value);
  return MPT_STATUS_OK;
}

/* The eigenvalues' derivatives from the diagonal of T, under the policy for their cotangents:
 * single entries inside a multiplet depend on the basis, their mean does not. */
static void make_values(mpt_output_context *m, int64_t k) {
  const mpt_batch *b = m->batch;
  double *d = m->shift;
  memcpy(d, m->diagonal, sizeof *d * (size_t)b->n);
  mpt_apply_spread_policy(b->n, m->rule.multiplet, m->options->spread_policy, d);
  if (b->dw)
    mpt_doubles_to_real(b->type, b->n, d, mpt_part_of(b->dw, k, b->n, mpt_real_size(b->type)));
}

static double diagonal_split(const mpt_output_context *m) {
  double split = 0;
  for (int64_t i = 1; i < m->batch->n; i++)
    if (m->rule.multiplet[i] == m->rule.multiplet[i - 1])
      split = fmax(split, fabs(m->diagonal[i] - m->diagonal[i - 1]) / 2);
  return split;
}

/* Adds up the sums of all ranks. Collective. */
static void add_over_team(const mpt_output_context *m, mpt_tangent_step *step) {
  const int n = (int)m->batch->n;
  double sums[2] = {step->noise2, step->x2};
  if (m->team->size == 1) return;
  mpt_team_max(m->team, 1, &step->split);
  mpt_team_sum(m->team, 2, sums);
  mpt_team_sum(m->team, 2 * n, step->turned);
  step->noise2 = sums[0];
  step->x2 = sums[1];
}

/* The estimated errors of the derivatives of eigenvectors and eigenvalues (in shift): the noise of
 * every entry, and the rotation of the vectors by rounding, which mixes columns and brings a part
 * of M onto the diagonal. */
static double error_of_pairs(const mpt_output_context *m, const mpt_tangent_step *step) {
  const int64_t n = m->batch->n;
  const double rounding = MPT_TURN * step->epsilon;
  double moved2 = step->noise2, values2 = 0, values = 0;
  for (int64_t j = 0; j < n; j++) {
    const double value = m->shift[j] * step->unit;
    moved2 += 2 * step->turned[j] * step->size[j];
    values2 += 4 * rounding * rounding * step->size[j];
    values += value * value;
  }
  const double noise = 3 * step->level * step->unit;
  const double of_vectors = step->x2 > 0 ? sqrt(moved2 / step->x2) : 0;
  const double of_values = values > 0 ? sqrt((values2 + (double)n * noise * noise) / values) : 0;
  return fmax(m->batch->dv ? of_vectors : 0, fmin(of_values, 1e300));
}

/* Makes V (F o M), and estimates how far the direction splits multiplets and the error of all this.
 */
static void make_vectors(mpt_output_context *m, int64_t k, double largest) {
  const mpt_batch *b = m->batch;
  mpt_report *report = &b->report[k];
  double norm = 0;
  for (int64_t i = 0; i < b->n; i++) norm = hypot(norm, m->norm[i]);
  mpt_tangent_step step = {.w = m->rule.w,
                           .multiplet = m->rule.multiplet,
                           .diagonal = m->diagonal,
                           .norm = m->rule.norm,
                           .epsilon = mpt_type_epsilon(b->type),
                           .split = diagonal_split(m),
                           .unit = mpt_scale_of(largest),
                           .turned = m->spread,
                           .size = m->spread + b->n};
  step.level = step.epsilon * norm;
  memset(m->spread, 0, 2 * sizeof *m->spread * (size_t)b->n);
  mpt_tile tile;
  for (int64_t next = 0; m->engine->next_tile(m->state, &next, &tile);)
    mpt_tangent_tile(b->type, &step, &tile);
  add_over_team(m, &step);
  report->tangent_splitting = norm > 0 ? fmin(step.split / norm, 1) : 0;
  report->tangent_error = error_of_pairs(m, &step);
  void *dv = mpt_part_of(b->dv, k, b->rows * b->n, mpt_type_size(b->type));
  if (dv) mpt_out_of_basis(m, k, true, MPT_LEFT, dv);
}

static void make_tangent(mpt_output_context *m, int64_t k, int f, double largest) {
  const mpt_batch *b = m->batch;
  const mpt_spectral_function *function = &m->functions[f];
  const double epsilon = mpt_type_epsilon(b->type);
  mpt_function_step step = {
      .function = function, .turns = m->turns, .largest = fmax(largest, DBL_MIN), .first = true};
  double x2 = 0, response = 0, steepest = 0;
  mpt_tile tile;
  for (int64_t i = 0; i < b->n; i++) steepest = fmax(steepest, fabs(function->slope[i]));
  step.unit = mpt_scale_of(largest) * mpt_scale_of(fmax(steepest, 0x1p-500));
  step.level = epsilon * largest;
  step.rounding = MPT_TURN * epsilon * m->rule.norm;
  mpt_function_turns(function, epsilon * m->rule.norm, m->turns);
  if (function->weight) {
    for (int64_t i = 0; i < b->n; i++) response += function->weight[i] * m->diagonal[i];
    for (int64_t i = 0; i < b->n; i++) m->shift[i] = -response * function->slope[i];
    step.shift = m->shift;
  }
  for (int64_t next = 0; m->engine->next_tile(m->state, &next, &tile);) {
    tile.th = tile.t; /* T is Hermitian, and its conjugate transpose has been overwritten */
    tile.ldth = tile.ldt;
    mpt_function_tile(b->type, &step, &tile);
    mpt_tile_norm(b->type, &tile, step.unit, &x2);
  }
  double sums[2] = {step.noise2, x2};
  mpt_team_sum(m->team, 2, sums);
  mpt_note_null(m, k, &step);
  const double error = sums[1] > 0 ? sqrt(sums[0] / sums[1]) + epsilon * sqrt((double)b->n) : 0;
  b->report[k].tangent_error = fmax(b->report[k].tangent_error, fmin(error, 1e300));
  mpt_out_of_basis(m, k, true, MPT_BOTH,
                   mpt_part_of(b->functions[f].tangent, k, b->rows * b->n, mpt_type_size(b->type)));
}

/* Checks the direction by the same rules as the input matrix. */
static mpt_status check_direction(mpt_output_context *m, int64_t k) {
  mpt_report report = {0};
  mpt_batch one = *m->batch;
  one.count = 1;
  one.a = mpt_part_of(one.da, k, one.rows * one.n, mpt_type_size(one.type));
  one.report = &report;
  mpt_check_input(m->team, m->options->triangle, &one);
  if (report.status == MPT_STATUS_NONFINITE_INPUT) return MPT_STATUS_NONFINITE_COTANGENT;
  return report.status == MPT_STATUS_PENDING ? MPT_STATUS_OK : (mpt_status)report.status;
}

static mpt_status make_tangents(mpt_output_context *m, int64_t k) {
  mpt_batch *b = m->batch;
  const size_t size = mpt_type_size(b->type);
  mpt_status status = check_direction(m, k);
  if (status != MPT_STATUS_OK) return status;
  const void *da = mpt_part_of(b->da, k, b->rows * b->n, size);
  const double largest = mpt_largest_on_team(m->team, b->type, b->rows * b->n, da);
  mpt_team_norms(m->team, b->type, b->rows, b->n, da, largest, m->norm);
  mpt_into_basis(m, k, da, MPT_BOTH);
  mpt_team_diagonal(m);
  make_values(m, k);
  make_vectors(m, k, largest);
  for (int f = 0; f < b->function_count; f++)
    if (b->functions[f].tangent) make_tangent(m, k, f, largest);
  return MPT_STATUS_OK;
}

/* Whether the type can hold all derivatives. */
static bool tangents_are_finite(const mpt_output_context *m, int64_t k) {
  const mpt_batch *b = m->batch;
  const int64_t n2 = b->rows * b->n;
  const size_t size = mpt_type_size(b->type);
  bool finite = true;
  if (b->dv)
    finite &= mpt_largest_on_team(m->team, b->type, n2, mpt_part_of(b->dv, k, n2, size)) >= 0;
  for (int f = 0; f < b->function_count; f++)
    if (b->functions[f].tangent)
      finite &= mpt_largest_on_team(m->team, b->type, n2,
                                    mpt_part_of(b->functions[f].tangent, k, n2, size)) >= 0;
  return finite;
}

void mpt_make_outputs(mpt_output_context *m, int64_t k) {
  mpt_batch *b = m->batch;
  mpt_report *report = &b->report[k];
  m->rule = (mpt_rule){.type = b->type,
                       .n = b->n,
                       .m = b->n,
                       .w = m->w,
                       .multiplet = mpt_part_of(b->multiplet, k, b->n, sizeof(int32_t)),
                       .norm = mpt_spectral_norm(b->n, m->w),
                       .epsilon = mpt_type_epsilon(b->type)};
  mpt_status status = MPT_STATUS_OK;
  m->probe.worst = 0;
  report->null_violation = 0;
  if (b->g || mpt_has_outputs(b)) m->engine->begin(m->state, b, k, !b->given && b->count == 1);
  status = make_functions(m, k);
  if (status == MPT_STATUS_OK && b->frame.columns) status = make_frame(m, k);
  if (status == MPT_STATUS_OK && b->da) status = make_tangents(m, k);
  if (status == MPT_STATUS_OK && b->da && !tangents_are_finite(m, k))
    status = MPT_STATUS_NONFINITE_COTANGENT;
  report->status = status;
  if (status == MPT_STATUS_OK && b->g) mpt_make_gradient(m, k);
  mpt_settle_null_space(b->type, report);
  report->output_residual = m->probe.worst;
  if (!mpt_probe_passed(&m->probe)) report->status = MPT_STATUS_INTERNAL;
}
