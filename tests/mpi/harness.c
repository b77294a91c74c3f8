#include "harness.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "engine/blas_library.h"
#include "engine/lanes/lanes.h"
#include "plan/plan.h"
#include "engine/process.h"
#include "engine/scalapack/mpi_team.h"

static int failures;
static FILE *messages; /* standard error, also on ranks where cmocka is silent */

void fail_here(const char *file, int line, const char *format, ...) {
  if (++failures > 5) return;
  char text[500];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  fprintf(messages, "%s:%d: %s\n", file, line, text);
  fflush(messages);
}

int agree_on_failures(void **state) {
  int all = 0;
  (void)state;
  MPI_Allreduce(&failures, &all, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
  failures = 0;
  return all;
}

int run_mpi_tests(int *argc, char ***argv, int (*tests)(void)) {
  int rank;
  const char *seconds = getenv("MULTIPLET_TIMEOUT"); /* set by the long tier */
  alarm(seconds ? (unsigned)atoi(seconds) : 110);    /* ends all ranks if one waits for ever */
  MPI_Init(argc, argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  mpt_blas_set_threads(1);
  messages = fdopen(dup(2), "w");
  if (rank > 0 && (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr)))
    fprintf(messages, "cannot silence rank %d\n", rank);
  int failed = tests();
  MPI_Finalize();
  return failed != 0;
}

enum { LOCAL = 4 };

/* The engines for one rank. An instruction set that this processor lacks is replaced by lapack. */
static bool open_local(int index, bench *b) {
  static const char *const sets[LOCAL] = {NULL, "generic", "avx2", "avx512"};
  if (index >= LOCAL) return false;
  b->isa = sets[index];
  b->engine = b->isa && mpt_lanes_use(b->isa) ? &mpt_lanes : &mpt_lapack;
  b->team = mpt_team_of_one();
  return true;
}

bool bench_open(int index, bench *b) {
  int size, rank, grid[2];
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  mpt_choose_grid(size, grid);
  const bool alone = size == 1, square = grid[0] == grid[1];
  const int grids[][2] = {{grid[0], grid[1]}, {grid[1], grid[0]}, {1, size}, {size, 1}};
  const int count = alone ? 1 : size == 4 ? 4 : 2;
  *b = (bench){.engine = &mpt_scalapack, .team = mpt_mpi_team(MPI_COMM_WORLD)};
  if (alone && open_local(index, b)) return true;
  if (alone) index -= LOCAL;
  if (square && !alone && index >= 1) index++;
  if (index >= count) return false;
  memcpy(b->team.grid, grids[index], sizeof grids[index]);
  return true;
}

void bench_close(bench *b) {
  if (b->state) b->engine->close(b->state);
  b->state = NULL;
}

const char *bench_name(const bench *b) {
  static char name[64];
  if (b->engine == &mpt_lanes)
    snprintf(name, sizeof name, "lanes %s", b->isa);
  else
    snprintf(name, sizeof name, "%s %dx%d", b->engine->name, b->team.grid[0], b->team.grid[1]);
  return name;
}

static void use_shape(bench *b, const run *r) {
  mpt_shape s = {.type = r->type,
                 .n = r->n,
                 .block = b->block,
                 .vectors = !r->values_only,
                 .backward = r->backward};
  const mpt_shape *old = &b->shape;
  if (b->state && old->type == s.type && old->n == s.n && old->block == s.block &&
      old->vectors == s.vectors && old->backward == s.backward)
    return;
  mpt_error error = {0};
  bench_close(b);
  b->shape = s;
  mpt_code code = b->engine->open(&s, &b->team, &b->state, &error);
  CHECK(code == MPT_DONE, "%s n=%lld: %s", bench_name(b), (long long)r->n, error.text);
  assert_int_equal(agree_on_failures(NULL), 0);
}

static void put(mpt_type type, void *to, int64_t i, wide x) {
  double _Complex z = (double _Complex)x;
  if (type == MPT_FLOAT32) ((float *)to)[i] = (float)creall(x);
  if (type == MPT_FLOAT64) ((double *)to)[i] = (double)creall(x);
  if (type == MPT_COMPLEX64) ((float _Complex *)to)[i] = (float _Complex)z;
  if (type == MPT_COMPLEX128) ((double _Complex *)to)[i] = z;
}

static wide get(mpt_type type, const void *from, int64_t i) {
  if (type == MPT_FLOAT32) return ((const float *)from)[i];
  if (type == MPT_FLOAT64) return ((const double *)from)[i];
  if (type == MPT_COMPLEX64) return ((const float _Complex *)from)[i];
  return ((const double _Complex *)from)[i];
}

static mpt_type real_type(mpt_type type) {
  return mpt_real_size(type) == 4 ? MPT_FLOAT32 : MPT_FLOAT64;
}

/* Copies this rank's slabs of `count` row-major matrices. */
static void *cut_slabs(const run *r, const mpt_batch *b, const wide *whole) {
  char *slabs = malloc(mpt_type_size(r->type) * (size_t)(r->count * b->rows * r->n) + 1);
  for (int64_t k = 0; whole && k < r->count; k++)
    for (int64_t i = 0; i < b->rows * r->n; i++)
      put(r->type, slabs, k * b->rows * r->n + i, whole[(k * r->n + b->row0) * r->n + i]);
  if (!whole) memset(slabs, 0x5a, mpt_type_size(r->type) * (size_t)(r->count * b->rows * r->n));
  return slabs;
}

static void *cut_reals(const run *r, const double *whole) {
  char *reals = malloc(mpt_real_size(r->type) * (size_t)(r->count * r->n) + 1);
  for (int64_t i = 0; whole && i < r->count * r->n; i++)
    put(real_type(r->type), reals, i, whole[i]);
  return reals;
}

/* Gathers the whole matrices from all slabs; frees the slabs. */
static void gather(const bench *b, const run *r, const mpt_batch *batch, void *slabs, wide *whole) {
  const int64_t n = r->n;
  for (int p = 0; p < b->team.size; p++) {
    int64_t row0 = mpt_slab_start(n, b->team.size, p);
    int64_t rows = mpt_slab_start(n, b->team.size, p + 1) - row0;
    size_t bytes = (size_t)(r->count * rows * n) * mpt_type_size(r->type);
    char *part = malloc(bytes + 1);
    if (p == b->team.rank) memcpy(part, slabs, bytes);
    if (b->team.size > 1) MPI_Bcast(part, (int)bytes, MPI_BYTE, p, mpt_team_comm(&b->team));
    for (int64_t k = 0; k < r->count; k++)
      for (int64_t i = 0; i < rows * n; i++)
        whole[(k * n + row0) * n + i] = get(r->type, part, k * rows * n + i);
    free(part);
  }
  (void)batch;
  free(slabs);
}

static void check_same(const bench *b, const void *mine, size_t bytes, const char *what) {
  char *first = malloc(bytes + 1);
  memcpy(first, mine, bytes);
  if (b->team.size > 1) MPI_Bcast(first, (int)bytes, MPI_BYTE, 0, mpt_team_comm(&b->team));
  CHECK(!memcmp(first, mine, bytes), "%s: rank %d has other %s than rank 0", bench_name(b),
        b->team.rank, what);
  free(first);
}

static void allocate_outputs(run *r) {
  size_t n = (size_t)r->n, count = (size_t)r->count;
  if (!r->v) r->v = calloc(count * n * n + 1, sizeof *r->v);
  if (!r->g) r->g = calloc(count * n * n + 1, sizeof *r->g);
  if (!r->w) r->w = calloc(count * n + 1, sizeof *r->w);
  if (!r->multiplet) r->multiplet = calloc(count * n + 1, sizeof *r->multiplet);
  free(r->report);
  r->report = calloc(count + 1, sizeof *r->report);
}

void run_batch(bench *b, run *r) {
  use_shape(b, r);
  allocate_outputs(r);
  mpt_batch batch = {.type = r->type, .count = r->count, .n = r->n, .given = r->given};
  batch.row0 = mpt_slab_start(r->n, b->team.size, b->team.rank);
  batch.rows = mpt_slab_start(r->n, b->team.size, b->team.rank + 1) - batch.row0;
  batch.a = cut_slabs(r, &batch, r->a);
  batch.w = cut_reals(r, r->w);
  if (!r->values_only) batch.v = cut_slabs(r, &batch, r->given ? r->v : NULL);
  if (r->backward) batch.g = cut_slabs(r, &batch, NULL);
  void *gw = r->gw ? cut_reals(r, r->gw) : NULL, *gv = r->gv ? cut_slabs(r, &batch, r->gv) : NULL;
  batch.gw = gw;
  batch.gv = gv;
  batch.multiplet = r->multiplet;
  batch.report = r->report;
  mpt_process_batch(b->engine, b->state, &b->team, &r->options, &batch);
  check_same(b, batch.w, (size_t)(r->count * r->n) * mpt_real_size(r->type), "eigenvalues");
  check_same(b, batch.multiplet, (size_t)(r->count * r->n) * sizeof(int32_t), "multiplets");
  for (int64_t k = 0; k < r->count; k++) check_same(b, &r->report[k].status, 1, "status");
  for (int64_t i = 0; i < r->count * r->n; i++)
    r->w[i] = (double)creall(get(real_type(r->type), batch.w, i));
  free(batch.w);
  free(gw);
  free(gv);
  gather(b, r, &batch, batch.a, r->a);
  if (batch.v) gather(b, r, &batch, batch.v, r->v);
  if (batch.g) gather(b, r, &batch, batch.g, r->g);
}

void run_free(run *r) {
  free(r->v);
  free(r->g);
  free(r->w);
  free(r->multiplet);
  free(r->report);
  r->v = r->g = NULL;
  r->w = NULL;
  r->multiplet = NULL;
  r->report = NULL;
}

void check_zero(const bench *b, const run *r, int64_t k, const char *what) {
  const int64_t n = r->n;
  bool zero = true;
  for (int64_t i = k * n; i < (k + 1) * n; i++) zero &= r->w[i] == 0 && r->multiplet[i] == 0;
  for (int64_t i = k * n * n; i < (k + 1) * n * n; i++)
    zero &= (r->values_only || r->v[i] == 0) && (!r->backward || r->g[i] == 0);
  CHECK(zero, "%s: %s: outputs of a failed problem are not zero", bench_name(b), what);
}

long double difference(int64_t count, const wide *a, const wide *b) {
  long double largest = 0, worst = 0;
  for (int64_t i = 0; i < count; i++) {
    long double d = cabsl(a[i] - b[i]);
    largest = fmaxl(largest, cabsl(b[i]));
    if (!(d <= worst)) worst = d;
  }
  return largest > 0 ? worst / largest : worst;
}
