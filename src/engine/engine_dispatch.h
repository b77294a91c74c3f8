/* The calls of mpt_engine that only choose the worker of a type. An engine's .c includes this file
 * after its workers (base/for_each_type.h); its mpt_state has a member `shape`. */

static void solve(mpt_state *state, mpt_batch *batch) {
  static void (*const table[])(mpt_state *, mpt_batch *, int64_t) = WORKER_TABLE(solve);
  for (int64_t k = 0; k < batch->count; k++)
    if (batch->report[k].status == MPT_STATUS_PENDING && batch->n > 0)
      table[batch->type](state, batch, k);
}

static void into_basis(mpt_state *state, const void *slab, mpt_side side) {
  static void (*const table[])(mpt_state *, const void *, mpt_side) = WORKER_TABLE(into_basis);
  if (state->shape.n > 0) table[state->shape.type](state, slab, side);
}

static void out_of_basis(mpt_state *state, bool sum, mpt_side side, void *slab) {
  static void (*const table[])(mpt_state *, bool, mpt_side, void *) = WORKER_TABLE(out_of_basis);
  if (state->shape.n > 0) table[state->shape.type](state, sum, side, slab);
}

static void from_diagonal(mpt_state *state, const double *diagonal, void *slab) {
  static void (*const table[])(mpt_state *, const double *, void *) = WORKER_TABLE(from_diagonal);
  if (state->shape.n > 0) table[state->shape.type](state, diagonal, slab);
}
