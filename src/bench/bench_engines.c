/* One matrix on all ranks: this program compared with plain ?heevd and p?heevd calls (bench.h). */
#include "bench/bench.h"

#include <stdlib.h>
#include <string.h>
#include "mpi/agree.h"
#include "engine/scalapack/redistribute.h"
#include "base/scalar.h"
#include "engine/scalapack/mpi_team.h"
#include "engine/process.h"

/* A plain call's arguments; desc is NULL for LAPACK. */
typedef struct bare {
  MPI_Comm comm;
  int n, block, rows, cols;
  const int *desc;
  const mpt_team *team;
  void *a, *z, *w, *work, *rwork;
  int *iwork;
} bare;

#define WORKER "bench/bench_worker.h"
#include "base/for_each_type.h"

/* Pseudo-random in [-1/2, 1/2], from a hash of the pair (i, j); the conjugate for (j, i), real for
 * i = j. */
void mpt_bench_element(int64_t i, int64_t j, double out[2]) {
  uint64_t low = (uint64_t)(i < j ? i : j), high = (uint64_t)(i < j ? j : i);
  uint64_t x = (low << 32 | high) + UINT64_C(0x9e3779b97f4a7c15);
  x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
  x ^= x >> 31;
  out[0] = (double)(x & 0xffffffff) / 0x1p32 - 0.5;
  out[1] = i == j ? 0 : ((double)(x >> 32) / 0x1p32 - 0.5) * (i < j ? 1 : -1);
}

void mpt_bench_fill(mpt_type type, int64_t rows, int64_t n, int64_t row0, int64_t col0,
                    void *slab) {
  static void (*const table[])(int64_t, int64_t, int64_t, int64_t, void *) = WORKER_TABLE(fill);
  table[type](rows, n, row0, col0, slab);
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

double mpt_median(int count, double *values) {
  qsort(values, (size_t)count, sizeof *values, ascending);
  return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

/* Seconds of the second of two calls: its memory is warm, as an engine's is. */
static double finish_bare(bare *b, mpt_type type) {
  static double (*const table[])(bare *) = WORKER_TABLE(time_bare);
  double seconds = b->a && b->z && b->w ? table[type](b) : -1;
  free(b->a);
  free(b->z);
  free(b->w);
  free(b->work);
  free(b->rwork);
  free(b->iwork);
  return seconds;
}

double mpt_bare_eigensolver(const mpt_team *team, mpt_type type, int64_t n, int64_t block) {
  const int ni = (int)n, nb = (int)block, zero = 0;
  int handle = Csys2blacs_handle(mpt_team_comm(team)), context = handle, desc[9], info;
  Cblacs_gridinit(&context, "Row", team->grid[0], team->grid[1]);
  bare b = {.comm = mpt_team_comm(team), .n = ni, .block = nb, .desc = desc, .team = team};
  b.rows = (int)mpt_cyclic_count(n, nb, team->rank / team->grid[1], team->grid[0]);
  b.cols = (int)mpt_cyclic_count(n, nb, team->rank % team->grid[1], team->grid[1]);
  int lld = b.rows > 0 ? b.rows : 1;
  descinit_(desc, &ni, &ni, &nb, &nb, &zero, &zero, &context, &lld, &info);
  b.a = mpt_alloc((int64_t)b.rows * b.cols, mpt_type_size(type));
  b.z = mpt_alloc((int64_t)b.rows * b.cols, mpt_type_size(type));
  b.w = mpt_alloc(n, mpt_real_size(type));
  double seconds = finish_bare(&b, type);
  Cblacs_gridexit(context);
  Cfree_blacs_system_handle(handle);
  return seconds;
}

double mpt_bare_lapack(mpt_type type, int64_t n) {
  bare b = {.comm = MPI_COMM_SELF, .n = (int)n};
  b.a = mpt_alloc(n * n, mpt_type_size(type));
  b.z = mpt_alloc(1, 1);
  b.w = mpt_alloc(n, mpt_real_size(type));
  return finish_bare(&b, type);
}

/* Seconds of one pass. `mode` 0 solves, 1 differentiates eigenvalues, 2 eigenvalues and
 * eigenvectors, both from the eigenpairs in the batch. */
static double time_pass(const mpt_engine *engine, mpt_state *state, const mpt_team *team,
                        mpt_batch batch, int mode) {
  const mpt_options options = {0};
  mpt_bench_fill(batch.type, batch.rows, batch.n, batch.row0, 0, batch.a);
  if (mode == 0) batch.g = NULL;
  if (mode < 2) batch.gv = NULL;
  batch.given = mode > 0;
  *batch.report = (mpt_report){0};
  MPI_Barrier(mpt_team_comm(team));
  double start = mpt_now();
  mpt_process_batch(engine, state, team, &options, &batch);
  MPI_Barrier(mpt_team_comm(team));
  double seconds = mpt_now() - start;
  return mpt_status_is_failure(batch.report->status) ? -1 : seconds;
}

mpt_code mpt_bench_engine(const mpt_engine *engine, const mpt_team *team, mpt_type type, int64_t n,
                          int64_t block, mpt_engine_times *times, mpt_error *error) {
  mpt_code code = MPT_DONE;
  mpt_state *state = NULL;
  mpt_report report = {0};
  const mpt_shape shape = {.type = type, .n = n, .block = block, .vectors = true, .backward = true};
  const size_t element = mpt_type_size(type);
  mpt_batch b = {.type = type, .count = 1, .n = n, .report = &report};
  void *gv = NULL, *gw = NULL;
  b.row0 = mpt_slab_start(n, team->size, team->rank);
  b.rows = mpt_slab_start(n, team->size, team->rank + 1) - b.row0;
  void **const slabs[] = {&b.a, &b.v, &b.g, &gv};
  for (size_t k = 0; k < 4 && code == MPT_DONE; k++)
    code = mpt_allocate(slabs[k], b.rows * n, element, "the benchmark", error);
  if (code == MPT_DONE) code = mpt_allocate(&b.w, n, mpt_real_size(type), "the benchmark", error);
  if (code == MPT_DONE) code = mpt_allocate(&gw, n, mpt_real_size(type), "the benchmark", error);
  if (code == MPT_DONE) code = mpt_allocate(&b.multiplet, n, 4, "the benchmark", error);
  AGREE(mpt_team_comm(team), code);
  TRY_COLL(engine->open(&shape, team, &state, error));
  mpt_bench_fill(type, b.rows, n, b.row0 + 7, 0, gv);
  b.gv = gv;
  b.gw = gw;
  time_pass(engine, state, team, b, 0); /* warms the memory */
  times->forward = time_pass(engine, state, team, b, 0);
  times->values_backward = time_pass(engine, state, team, b, 1);
  times->full_backward = time_pass(engine, state, team, b, 2);
  engine->close(state);
done:
  for (size_t k = 0; k < 4; k++) free(*slabs[k]);
  free(b.w);
  free(gw);
  free(b.multiplet);
  return code;
}
