/* Some of the eigenpairs of one matrix, and gradients through them (bench.h). */
#include "bench/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include "mpi/agree.h"
#include "engine/scalapack/mpi_team.h"
#include "engine/process.h"

/* Seconds of one repetition: the forward pass without the gradient; both, with the gradient in the
 * same pass; a second pass. */
typedef struct times {
  double forward, both, second, kept; /* kept: the second pass with Q and T from the forward pass */
} times;

/* One engine's arrays and state, for all eigenpairs or for the lowest of them. */
typedef struct side {
  const mpt_engine *engine;
  const mpt_team *team;
  mpt_state *state;
  mpt_batch batch;
  mpt_report report;
  void *gw, *gv, *g;
  mpt_factor_arrays factor; /* under a selection */
} side;

static mpt_code open_factor(mpt_factor_arrays *f, mpt_type type, int64_t rows, int64_t n,
                            mpt_error *error) {
  mpt_code code = MPT_DONE;
  const size_t size = mpt_type_size(type), real = mpt_real_size(type);
  const char *what = "the benchmark";
  TRY(mpt_allocate(&f->reflectors, rows * n, size, what, error));
  TRY(mpt_allocate(&f->tau, n, size, what, error));
  TRY(mpt_allocate(&f->diagonal, n, real, what, error));
  TRY(mpt_allocate(&f->offdiagonal, n, real, what, error));
  TRY(mpt_allocate(&f->eigenvalues, n, real, what, error));
done:
  return code;
}

static mpt_code open_side(side *s, mpt_type type, int64_t n, int64_t columns, int64_t block,
                          mpt_error *error) {
  mpt_code code = MPT_DONE;
  mpt_batch *b = &s->batch;
  const size_t size = mpt_type_size(type), real = mpt_real_size(type);
  const mpt_shape shape = {.type = type,
                           .n = n,
                           .block = block,
                           .vectors = true,
                           .backward = true,
                           .columns = columns < n ? columns : 0};
  const char *what = "the benchmark";
  *b = (mpt_batch){.type = type, .count = 1, .n = n, .report = &s->report};
  if (columns < n) b->select = (mpt_select){.kind = MPT_SELECT_LOWEST, .at_most = columns};
  b->row0 = mpt_slab_start(n, s->team->size, s->team->rank);
  b->rows = mpt_slab_start(n, s->team->size, s->team->rank + 1) - b->row0;
  code = mpt_allocate(&b->a, b->rows * n, size, what, error);
  if (code == MPT_DONE) code = mpt_allocate(&s->g, b->rows * n, size, what, error);
  if (code == MPT_DONE) code = mpt_allocate(&b->v, b->rows * columns, size, what, error);
  if (code == MPT_DONE) code = mpt_allocate(&s->gv, b->rows * columns, size, what, error);
  if (code == MPT_DONE) code = mpt_allocate(&b->w, columns, real, what, error);
  if (code == MPT_DONE) code = mpt_allocate(&s->gw, columns, real, what, error);
  if (code == MPT_DONE) code = mpt_allocate(&b->multiplet, columns, 4, what, error);
  if (code == MPT_DONE && columns < n) code = open_factor(&s->factor, type, b->rows, n, error);
  AGREE(mpt_team_comm(s->team), code);
  TRY_COLL(s->engine->open(&shape, s->team, &s->state, error));
  mpt_bench_fill(type, b->rows, columns, b->row0 + 7, 0, s->gv);
  b->gv = s->gv;
  b->gw = s->gw;
done:
  return code;
}

static void close_side(side *s) {
  void *const arrays[] = {s->batch.a,
                          s->batch.v,
                          s->batch.w,
                          s->batch.multiplet,
                          s->g,
                          s->gv,
                          s->gw,
                          s->factor.reflectors,
                          s->factor.tau,
                          s->factor.diagonal,
                          s->factor.offdiagonal,
                          s->factor.eigenvalues};
  if (s->state) s->engine->close(s->state);
  for (size_t k = 0; k < sizeof arrays / sizeof *arrays; k++) free(arrays[k]);
}

static double time_pass(side *s, bool gradient, bool given) {
  const mpt_options options = {0};
  mpt_batch b = s->batch;
  mpt_bench_fill(b.type, b.rows, b.n, b.row0, 0, b.a);
  b.g = gradient ? s->g : NULL;
  b.given = given;
  s->report = (mpt_report){0};
  MPI_Barrier(mpt_team_comm(s->team));
  const double start = mpt_now();
  mpt_process_batch(s->engine, s->state, s->team, &options, &b);
  MPI_Barrier(mpt_team_comm(s->team));
  return mpt_now() - start;
}

static times time_side(side *s) {
  times t;
  t.forward = time_pass(s, false, false);
  t.both = time_pass(s, true, false);
  t.second = t.kept = time_pass(s, true, true);
  if (!s->factor.reflectors) return t;
  s->batch.factor = s->factor;
  time_pass(s, false, false);
  s->batch.factor_given = true;
  t.kept = time_pass(s, true, true);
  s->batch.factor = (mpt_factor_arrays){0};
  s->batch.factor_given = false;
  return t;
}

mpt_code mpt_bench_select(const mpt_engine *engine, const mpt_team *team, mpt_type type, int64_t n,
                          int64_t block, int repeat, mpt_error *error) {
  mpt_code code = MPT_DONE;
  const int64_t columns = n >= 10 ? n / 10 : 1;
  double ratios[6][MPT_MOST_REPEATS];
  side whole = {.engine = engine, .team = team}, part = {.engine = engine, .team = team};
  TRY_COLL(open_side(&whole, type, n, n, block, error));
  TRY_COLL(open_side(&part, type, n, columns, block, error));
  time_side(&whole); /* warms the memory */
  time_side(&part);
  for (int k = 0; k < repeat; k++) {
    const times a = time_side(&whole), b = time_side(&part);
    ratios[0][k] = a.forward;
    ratios[1][k] = a.second / a.forward;
    ratios[2][k] = b.forward / a.forward;
    ratios[3][k] = (b.both - b.forward) / a.second;
    ratios[4][k] = b.second / a.second;
    ratios[5][k] = b.kept / a.second;
  }
  if (team->rank == 0)
    printf("%7lld %7lld %-10s %-10s %11.4f %13.3f %14.3f %9.3f %9.3f %9.3f\n", (long long)n,
           (long long)columns, mpt_type_name(type), engine->name, mpt_median(repeat, ratios[0]),
           mpt_median(repeat, ratios[1]), mpt_median(repeat, ratios[2]),
           mpt_median(repeat, ratios[3]), mpt_median(repeat, ratios[4]),
           mpt_median(repeat, ratios[5]));
done:
  close_side(&whole);
  close_side(&part);
  return code;
}
