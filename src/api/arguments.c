#include "api/arguments.h"

#include "spectral/function.h"

mpt_batch mpt_memory_batch(mpt_type type, int64_t n, int64_t count, const void *a, const void *w,
                           const void *v, int32_t *multiplet, mpt_report *report) {
  return (mpt_batch){.type = type,
                     .count = count,
                     .n = n,
                     .rows = n,
                     .a = mpt_unconst(a),
                     .w = mpt_unconst(w),
                     .v = mpt_unconst(v),
                     .multiplet = multiplet,
                     .report = report};
}

static bool index_fits(const int64_t index[2], int64_t n) {
  return index[0] >= 0 && index[0] < index[1] && index[1] <= n;
}

static bool select_fits(const mpt_select *s) {
  switch (s->kind) {
  case MPT_SELECT_ALL:
    return true;
  case MPT_SELECT_LOWEST:
  case MPT_SELECT_HIGHEST:
    return s->at_most > 0;
  case MPT_SELECT_INDEX:
    return s->index[0] >= 0 && s->index[0] < s->index[1];
  case MPT_SELECT_RANGE:
    return s->range[0] < s->range[1] && s->at_most > 0;
  }
  return false;
}

/* Whether the arrays that a batch with problems needs are there. */
static bool is_filled(const mpt_batch *b, bool backward) {
  const bool some = b->select.kind != MPT_SELECT_ALL;
  const bool matrix = b->a || (some ? b->factor_given : b->given);
  const bool vectors = b->v || !(backward || b->da);
  const bool pairs = (b->w && b->multiplet && vectors) || !mpt_batch_columns(b);
  return matrix && pairs && (b->g || !backward) &&
         (b->found || b->select.kind != MPT_SELECT_RANGE || backward);
}

/* The bounds keep all products within 64 bits. */
const char *mpt_wrong_argument(const mpt_batch *b, const mpt_options *o, bool backward) {
  const int64_t n = b->n;
  if ((int)b->type < 0 || b->type >= MPT_TYPE_COUNT) return "type";
  if (n < 0 || n > INT32_MAX / 16) return "n";
  if (b->count < 0 || b->count > INT64_MAX / 16 / (n ? n * n : 1)) return "count";
  if (o->threads < 0) return "threads";
  if ((int)o->triangle < 0 || o->triangle > MPT_TRIANGLE_AVERAGE) return "triangle";
  if ((int)o->gauge_policy < 0 || o->gauge_policy > MPT_GAUGE_FAIL) return "gauge_policy";
  if ((int)o->spread_policy < 0 || o->spread_policy > MPT_SPREAD_UNBIASED) return "spread_policy";
  if ((int)o->solver < 0 || o->solver > MPT_SOLVER_LAPACK) return "solver";
  if ((int)o->basis < 0 || o->basis > MPT_BASIS_SOLVER) return "basis";
  if ((int)o->convention < 0 || o->convention > MPT_CONVENTION_JAX) return "convention";
  for (int f = 0; f < b->function_count; f++)
    if (!mpt_function_fits(&b->functions[f].function, n)) return "function";
  const mpt_frame_shape *frame = &b->frame;
  if (frame->columns && (!b->reference || !index_fits(frame->index, n) || frame->columns < 1 ||
                         frame->columns > frame->index[1] - frame->index[0]))
    return "frame";
  if (!select_fits(&b->select)) return "select";
  return b->count && (!b->report || (n && !is_filled(b, backward))) ? "a null array" : NULL;
}

mpt_code mpt_refuse(const char *argument, mpt_error *error) {
  return mpt_fail(error, MPT_BAD_USAGE, "cannot start: bad argument, %s (see multiplet/eigh.h)",
                  argument);
}
