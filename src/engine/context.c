#include "engine/context.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

mpt_code mpt_output_context_open(const mpt_engine *engine, mpt_state *state, const mpt_team *team,
                                 const mpt_options *options, mpt_batch *b, mpt_output_context *m) {
  mpt_code code = MPT_DONE;
  const int64_t n = b->n, functions = b->function_count;
  double *memory;
  *m = (mpt_output_context){
      .engine = engine, .state = state, .team = team, .options = options, .batch = b};
  const int64_t arrays = b->g ? 4 + MPT_RULE_ARRAYS : 4;
  TRY(mpt_allocate(&memory, arrays * n + 1, sizeof *memory, "outputs", NULL));
  m->w = memory;
  m->gw = memory + n;
  m->diagonal = memory + 2 * n;
  m->rule_memory = memory + 3 * n;
  m->norm = memory + (arrays - 1) * n;
  if (b->g || mpt_has_outputs(b)) TRY(mpt_probe_open(b, &m->probe));
  if (!mpt_has_outputs(b)) return MPT_DONE;
  TRY(mpt_allocate(&memory, (4 + MPT_FUNCTION_MEMORY * functions) * n, sizeof *memory, "outputs",
                   NULL));
  m->turns = memory;
  m->shift = memory + n;
  m->spread = memory + 2 * n;
  m->function_memory = memory + 4 * n;
  TRY(mpt_allocate(&m->functions, functions, sizeof *m->functions, "outputs", NULL));
  const int64_t *index = b->frame.index, columns = b->frame.columns;
  if (!columns) return MPT_DONE;
  TRY(mpt_allocate(&m->frame_memory, mpt_frame_memory(n, index[0], index[1], columns),
                   sizeof *m->frame_memory, "outputs", NULL));
  mpt_frame_lay_out(n, index[0], index[1], columns, m->frame_memory, &m->frame);
done:
  return code;
}

void mpt_output_context_close(mpt_output_context *m) {
  free(m->w);
  free(m->turns);
  free(m->functions);
  free(m->frame_memory);
  mpt_probe_close(&m->probe);
}

void mpt_team_diagonal(mpt_output_context *m) {
  mpt_tile tile;
  memset(m->diagonal, 0, sizeof(double) * (size_t)m->batch->n);
  for (int64_t next = 0; m->engine->next_tile(m->state, &next, &tile);)
    mpt_tile_diagonal(m->batch->type, &tile, m->diagonal);
  mpt_team_sum(m->team, m->batch->n, m->diagonal);
}

void mpt_note_null(const mpt_output_context *m, int64_t k, const mpt_function_step *step) {
  const mpt_spectral_function *f = step->function;
  double sums[3] = {step->null2, step->all2, step->turned2};
  double *violation = &m->batch->report[k].null_violation;
  if (!f->steep) return;
  mpt_team_sum(m->team, 3, sums);
  if (!(sums[1] > 0)) return;
  const double turned = 2 * sqrt((double)(f->null[1] - f->null[0]) * sums[2] / sums[1]);
  *violation = fmax(*violation, sqrt(sums[0] / sums[1]) - turned);
}

void mpt_frame_rows(mpt_output_context *m, int64_t k, const void *array, bool each, mpt_wide *out) {
  const mpt_batch *b = m->batch;
  const size_t size = mpt_type_size(b->type);
  const int64_t columns = m->frame.columns;
  memset(out, 0, sizeof *out * (size_t)(b->n * columns));
  mpt_rows_into_basis(b->type, b->rows, &m->frame, mpt_part_of(b->v, k, b->rows * b->n, size),
                      mpt_part_of(array, each ? k : 0, b->rows * columns, size), out);
  mpt_team_sum(m->team, 2 * b->n * columns, (double *)out);
}
