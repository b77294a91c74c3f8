#include "outputs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "certificate.h"

bool mpt_has_outputs(const mpt_batch *b) {
  return b->function_count > 0 || b->frame.columns > 0 || b->da;
}

mpt_code mpt_making_open(const mpt_engine *engine, mpt_state *state, const mpt_team *team,
                         const mpt_options *options, mpt_batch *b, mpt_making *m) {
  mpt_code code = MPT_DONE;
  const int64_t n = b->n, functions = b->function_count;
  double *memory;
  *m = (mpt_making){.engine = engine, .state = state, .team = team, .options = options, .batch = b};
  const int64_t arrays = b->g ? 4 + MPT_RULE_ARRAYS : 4;
  TRY(mpt_allocate(&memory, arrays * n + 1, sizeof *memory, "outputs", NULL));
  m->w = memory;
  m->gw = memory + n;
  m->diagonal = memory + 2 * n;
  m->rule_memory = memory + 3 * n;
  m->norm = memory + (arrays - 1) * n;
  if (!mpt_has_outputs(b)) return MPT_DONE;
  TRY(mpt_allocate(&memory, (2 + MPT_FUNCTION_MEMORY * functions) * n, sizeof *memory, "outputs",
                   NULL));
  m->turns = memory;
  m->shift = memory + n;
  m->function_memory = memory + 2 * n;
  TRY(mpt_allocate(&m->functions, functions, sizeof *m->functions, "outputs", NULL));
  const int64_t *index = b->frame.index, columns = b->frame.columns;
  if (!columns) return MPT_DONE;
  TRY(mpt_allocate(&m->frame_memory, mpt_frame_memory(n, index[0], index[1], columns),
                   sizeof *m->frame_memory, "outputs", NULL));
  mpt_frame_lay_out(n, index[0], index[1], columns, m->frame_memory, &m->frame);
done:
  return code;
}

void mpt_making_close(mpt_making *m) {
  free(m->w);
  free(m->turns);
  free(m->functions);
  free(m->frame_memory);
}

void mpt_team_diagonal(mpt_making *m) {
  mpt_tile tile;
  memset(m->diagonal, 0, sizeof(double) * (size_t)m->batch->n);
  for (int64_t next = 0; m->engine->next_tile(m->state, &next, &tile);)
    mpt_tile_diagonal(m->batch->type, &tile, m->diagonal);
  if (m->team->size > 1)
    MPI_Allreduce(MPI_IN_PLACE, m->diagonal, (int)m->batch->n, MPI_DOUBLE, MPI_SUM, m->team->comm);
}

void mpt_frame_rows(mpt_making *m, int64_t k, const void *array, bool each, mpt_wide *out) {
  const mpt_batch *b = m->batch;
  const size_t size = mpt_type_size(b->type);
  const int64_t columns = m->frame.columns;
  memset(out, 0, sizeof *out * (size_t)(b->n * columns));
  mpt_rows_into_basis(b->type, b->rows, &m->frame, mpt_part_of(b->v, k, b->rows * b->n, size),
                      mpt_part_of(array, each ? k : 0, b->rows * columns, size), out);
  if (m->team->size > 1)
    MPI_Allreduce(MPI_IN_PLACE, out, (int)(2 * b->n * columns), MPI_DOUBLE, MPI_SUM, m->team->comm);
}

static mpt_status make_functions(mpt_making *m, int64_t k) {
  const mpt_batch *b = m->batch;
  const int64_t n = b->n;
  mpt_status status = MPT_OK;
  for (int f = 0; f < b->function_count && status == MPT_OK; f++) {
    const mpt_function_arrays *arrays = &b->functions[f];
    status = mpt_function_start(&arrays->function, n, m->rule.w, m->rule.multiplet,
                                m->function_memory + f * MPT_FUNCTION_MEMORY * n, &m->functions[f]);
    if (arrays->mu) arrays->mu[k] = status == MPT_OK ? m->functions[f].mu : 0;
    void *value = mpt_part_of(arrays->value, k, b->rows * n, mpt_type_size(b->type));
    if (status != MPT_OK || !value) continue;
    m->engine->from_diagonal(m->state, m->functions[f].value, value);
    if (mpt_largest_on_team(m->team, b->type, b->rows * n, value) < 0)
      status = MPT_FUNCTION_UNDEFINED; /* too large for the type */
  }
  return status;
}

static mpt_status make_frame(mpt_making *m, int64_t k) {
  const mpt_batch *b = m->batch;
  const size_t size = mpt_type_size(b->type);
  const int64_t columns = m->frame.columns;
  const mpt_frame_arrays *arrays = &b->frame;
  const void *reference =
      mpt_part_of(arrays->reference, arrays->each ? k : 0, b->rows * columns, size);
  if (mpt_largest_on_team(m->team, b->type, b->rows * columns, reference) < 0)
    return MPT_NONFINITE_INPUT;
  mpt_frame_rows(m, k, arrays->reference, arrays->each, m->frame.r);
  mpt_status status = mpt_frame_start(m->rule.multiplet, m->rule.epsilon, &m->frame);
  if (status != MPT_OK) return status;
  b->report[k].frame_condition = m->frame.condition;
  void *value = mpt_part_of(arrays->value, k, b->rows * columns, size);
  if (value)
    mpt_rows_out_of_basis(b->type, b->rows, &m->frame, mpt_part_of(b->v, k, b->rows * b->n, size),
                          m->frame.polar, value);
  return MPT_OK;
}

/* Eigenvalues' derivatives from the diagonal, under the policy for their cotangents: what is inside
 * a multiplet depends on the basis, and its mean does not. */
static void make_values(mpt_making *m, int64_t k) {
  const mpt_batch *b = m->batch;
  double *d = m->shift;
  memcpy(d, m->diagonal, sizeof *d * (size_t)b->n);
  mpt_apply_spread_policy(b->n, m->rule.multiplet, m->options->spread_policy, d);
  if (b->dw)
    mpt_doubles_to_real(b->type, b->n, d, mpt_part_of(b->dw, k, b->n, mpt_real_size(b->type)));
}

static double diagonal_split(const mpt_making *m) {
  double split = 0;
  for (int64_t i = 1; i < m->batch->n; i++)
    if (m->rule.multiplet[i] == m->rule.multiplet[i - 1])
      split = fmax(split, fabs(m->diagonal[i] - m->diagonal[i - 1]) / 2);
  return split;
}

/* V (F o M), and how far the direction splits multiplets. */
static void make_vectors(mpt_making *m, int64_t k) {
  const mpt_batch *b = m->batch;
  double split = diagonal_split(m);
  mpt_tile tile;
  for (int64_t next = 0; m->engine->next_tile(m->state, &next, &tile);)
    mpt_tangent_tile(b->type, m->rule.w, m->rule.multiplet, &tile, &split);
  if (m->team->size > 1) MPI_Allreduce(MPI_IN_PLACE, &split, 1, MPI_DOUBLE, MPI_MAX, m->team->comm);
  double norm = 0;
  for (int64_t i = 0; i < b->n; i++) norm = hypot(norm, m->norm[i]);
  b->report[k].tangent_splitting = norm > 0 ? fmin(split / norm, 1) : 0;
  void *dv = mpt_part_of(b->dv, k, b->rows * b->n, mpt_type_size(b->type));
  if (dv) m->engine->out_of_basis(m->state, true, MPT_LEFT, dv);
}

static void make_tangent(mpt_making *m, int64_t k, int f) {
  const mpt_batch *b = m->batch;
  const mpt_spectral_function *function = &m->functions[f];
  mpt_function_step step = {.function = function, .turns = m->turns, .first = true};
  double ignored = 0, response = 0;
  mpt_tile tile;
  memset(m->turns, 0, sizeof *m->turns * (size_t)b->n);
  if (function->weight) {
    for (int64_t i = 0; i < b->n; i++) response += function->weight[i] * m->diagonal[i];
    for (int64_t i = 0; i < b->n; i++) m->shift[i] = -response * function->slope[i];
    step.shift = m->shift;
  }
  for (int64_t next = 0; m->engine->next_tile(m->state, &next, &tile);) {
    tile.th = tile.t; /* T is Hermitian, and what held its conjugate transpose is work by now */
    tile.ldth = tile.ldt;
    mpt_function_tile(b->type, &step, &tile, &ignored);
  }
  m->engine->out_of_basis(
      m->state, true, MPT_BOTH,
      mpt_part_of(b->functions[f].tangent, k, b->rows * b->n, mpt_type_size(b->type)));
}

/* The direction under the rules for the input. */
static mpt_status check_direction(mpt_making *m, int64_t k) {
  mpt_report report = {0};
  mpt_batch one = *m->batch;
  one.count = 1;
  one.a = mpt_part_of(one.da, k, one.rows * one.n, mpt_type_size(one.type));
  one.report = &report;
  mpt_check_input(m->team, m->options->triangle, &one);
  if (report.status == MPT_NONFINITE_INPUT) return MPT_NONFINITE_COTANGENT;
  return report.status == MPT_PENDING ? MPT_OK : (mpt_status)report.status;
}

static mpt_status make_tangents(mpt_making *m, int64_t k) {
  mpt_batch *b = m->batch;
  const size_t size = mpt_type_size(b->type);
  mpt_status status = check_direction(m, k);
  if (status != MPT_OK) return status;
  const void *da = mpt_part_of(b->da, k, b->rows * b->n, size);
  const double largest = mpt_largest_on_team(m->team, b->type, b->rows * b->n, da);
  mpt_team_norms(m->team, b->type, b->rows, b->n, da, largest, m->norm);
  m->engine->into_basis(m->state, da, MPT_BOTH);
  mpt_team_diagonal(m);
  make_values(m, k);
  make_vectors(m, k);
  for (int f = 0; f < b->function_count; f++)
    if (b->functions[f].tangent) make_tangent(m, k, f);
  return MPT_OK;
}

/* Derivatives too large for the type. */
static bool tangents_are_finite(const mpt_making *m, int64_t k) {
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

void mpt_make_outputs(mpt_making *m, int64_t k) {
  mpt_batch *b = m->batch;
  mpt_report *report = &b->report[k];
  m->rule = (mpt_rule){.type = b->type,
                       .n = b->n,
                       .m = b->n,
                       .w = m->w,
                       .multiplet = mpt_part_of(b->multiplet, k, b->n, sizeof(int32_t)),
                       .norm = mpt_spectral_norm(b->n, m->w),
                       .epsilon = mpt_type_epsilon(b->type)};
  mpt_status status = MPT_OK;
  if (b->g || mpt_has_outputs(b)) m->engine->begin(m->state, b, k, !b->given && b->count == 1);
  status = make_functions(m, k);
  if (status == MPT_OK && b->frame.columns) status = make_frame(m, k);
  if (status == MPT_OK && b->da) status = make_tangents(m, k);
  if (status == MPT_OK && b->da && !tangents_are_finite(m, k)) status = MPT_NONFINITE_COTANGENT;
  report->status = status;
  if (status == MPT_OK && b->g) mpt_make_gradient(m, k);
}

void mpt_zero_made(mpt_batch *b, int64_t k) {
  const size_t size = mpt_type_size(b->type), real = mpt_real_size(b->type);
  const int64_t columns = mpt_batch_columns(b);
  const int64_t n2 = b->rows * b->n, nc = b->rows * b->frame.columns, nm = b->rows * columns;
  for (int f = 0; f < b->function_count; f++) {
    void *const arrays[] = {b->functions[f].value, b->functions[f].tangent};
    for (int a = 0; a < 2; a++)
      if (arrays[a]) memset(mpt_part_of(arrays[a], k, n2, size), 0, (size_t)n2 * size);
    if (b->functions[f].mu) b->functions[f].mu[k] = 0;
  }
  if (nc && b->frame.value) memset(mpt_part_of(b->frame.value, k, nc, size), 0, (size_t)nc * size);
  if (b->dw) memset(mpt_part_of(b->dw, k, columns, real), 0, (size_t)columns * real);
  if (b->dv) memset(mpt_part_of(b->dv, k, nm, size), 0, (size_t)nm * size);
  mpt_zero_gradient(b, k);
}
