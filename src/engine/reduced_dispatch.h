/* As engine_dispatch.h, for the calls of mpt_reduced. */

static int reduce(mpt_state *s, const mpt_batch *batch, int64_t k, double scale, double *d,
                  double *e) {
  static int (*const table[])(mpt_state *, const mpt_batch *, int64_t, double, double *, double *) =
      WORKER_TABLE(reduce);
  return table[s->shape.type](s, batch, k, scale, d, e);
}

static int diagonalize(mpt_state *s, const double *d, const double *e, double *w) {
  static int (*const table[])(mpt_state *, const double *, const double *, double *) =
      WORKER_TABLE(diagonalize_given);
  return table[s->shape.type](s, d, e, w);
}

static int take(mpt_state *s, int64_t first) {
  static int (*const table[])(mpt_state *, int64_t) = WORKER_TABLE(take);
  return table[s->shape.type](s, first);
}

static void overlap(mpt_state *s) {
  static void (*const table[])(mpt_state *) = WORKER_TABLE(overlap);
  table[s->shape.type](s);
}

static void project(mpt_state *s) {
  static void (*const table[])(mpt_state *) = WORKER_TABLE(project);
  table[s->shape.type](s);
}

static void turn(mpt_state *s, bool back) {
  static void (*const table[])(mpt_state *, bool) = WORKER_TABLE(turn);
  table[s->shape.type](s, back);
}

static void combine(mpt_state *s, const double *diagonal) {
  static void (*const table[])(mpt_state *, const double *) = WORKER_TABLE(combine);
  table[s->shape.type](s, diagonal);
}

static void assemble(mpt_state *s, void *slab) {
  static void (*const table[])(mpt_state *, void *) = WORKER_TABLE(assemble);
  table[s->shape.type](s, slab);
}
