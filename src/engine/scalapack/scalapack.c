/* One problem over a process grid. p?heevd's own chain (p?hetrd, p?stedc, p?unmtr) is called stage
 * by stage, for what the driver hides: each stage's INFO, workspaces that its queries omit, values
 * alone, and a distribution in which every rank gets w. */
#include "redistribute.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "agree.h"
#include "outputs.h"
#include "scalar.h"

struct mpt_state {
  mpt_shape shape;
  mpt_team team;
  mpt_cyclic cyclic;
  MPI_Comm column; /* the ranks of this process column */
  int handle, context, desc[9];
  int row, col;     /* my place in the grid */
  int64_t np, nq;   /* local rows and columns */
  void *a, *u, *x;  /* three n x n matrices: a is the solver's, u = conj(V), x is work */
  void *sum;        /* a fourth with shape.outputs, else NULL */
  double *columns;  /* [4 nq]: what process columns agree on */
  void *small;      /* reals: d, e local; d, e whole; a row's worth of work */
  void *tau, *work; /* [nq], [lwork] */
  int *iwork;
  int lwork, lrwork, liwork;
  void *buffer; /* for redistribution */
};

#define WORKER "scalapack_worker.h"
#include "for_each_type.h"

/* p?stedc on several ranks with n <= nb leaves w on the owner alone, so n > nb always (n = 1 is
 * solved without it). */
static int64_t choose_block(const mpt_shape *shape, const int grid[2]) {
  int64_t block = shape->block > 0 ? shape->block : 32, n = shape->n;
  int most = grid[0] > grid[1] ? grid[0] : grid[1];
  if (block * most > n) block = n / most;
  return block > 0 ? block : 1;
}

typedef struct sizes {
  int64_t block, np, nq, local, a, u, x, small, work, lrwork, liwork, buffer;
} sizes;

/* Elements of every array, the largest over ranks: documented minima, p?unmtr's work, and for
 * p?stedc the NP*(NB+NQ) of p?lasrt that its query leaves out. */
static sizes count_sizes(const mpt_shape *shape, const int grid[2]) {
  sizes s = {0};
  const int64_t n = shape->n;
  const int scalars_per_real = mpt_type_is_complex(shape->type) ? 2 : 1;
  s.block = choose_block(shape, grid);
  s.np = mpt_cyclic_count(n, s.block, 0, grid[0]);
  s.nq = mpt_cyclic_count(n, s.block, 0, grid[1]);
  s.local = s.np * s.nq;
  s.lrwork = 6 * n + 2 * s.local + s.np * s.block + 64;
  s.a = s.local;
  s.u = s.x = s.local;
  if (shape->vectors && scalars_per_real == 2)
    s.u += (6 * n + s.np * s.block) / 2 + 64; /* p?stedc works in u, its Q is in x */
  else if (shape->vectors)
    s.x = s.lrwork; /* its Q is u, its work is x */
  s.small = 2 * (s.nq + 1) + 2 * (n + 1) + n + s.block * 4 + 64;
  s.work = s.block * (s.np + s.nq + 3 * s.block) + 3 * s.block + 64;
  s.liwork = 2 + 7 * n + 8 * grid[1] + 64;
  s.buffer = mpt_redistribute_buffer(n, grid[0] * grid[1], mpt_type_size(shape->type));
  return s;
}

/* ScaLAPACK's integers: the one narrowing. It computes 3 np nq in 32 bits and does not notice. */
static mpt_code workspace(const mpt_shape *shape, const int grid[2], int64_t *bytes,
                          mpt_error *error) {
  mpt_shape counted = *shape; /* as large as it may be, so that the counts stay in 64 bits */
  if (counted.n > INT_MAX / 16) counted.n = INT_MAX / 16;
  sizes s = count_sizes(&counted, grid);
  const int64_t element = (int64_t)mpt_type_size(shape->type);
  *bytes = (s.a + s.u + s.x + (shape->outputs ? s.local : 0) + s.nq + s.work) * element +
           s.small * (int64_t)mpt_real_size(shape->type) + s.liwork * 4 + s.buffer;
  if (s.local <= INT_MAX / 3 - 64 && s.lrwork <= INT_MAX && shape->n < INT_MAX / 16)
    return MPT_DONE;
  double ranks = 3.0 * (double)shape->n * (double)shape->n / INT_MAX;
  return mpt_fail(error, MPT_BAD_USAGE,
                  "cannot spread n = %lld over %d ranks: more elements a rank than ScaLAPACK's "
                  "32-bit integers count (run on %.0f ranks or more)",
                  (long long)shape->n, grid[0] * grid[1], 1.1 * ranks + 2);
}

static void close_scalapack(mpt_state *s) {
  if (!s) return;
  if (s->column != MPI_COMM_NULL) MPI_Comm_free(&s->column);
  if (s->context >= 0) {
    Cblacs_gridexit(s->context);
    Cfree_blacs_system_handle(s->handle);
  }
  free(s->a);
  free(s->u);
  free(s->x);
  free(s->sum);
  free(s->columns);
  free(s->small);
  free(s->tau);
  free(s->work);
  free(s->iwork);
  free(s->buffer);
  free(s);
}

static mpt_code allocate_arrays(mpt_state *s, mpt_error *error) {
  mpt_code code = MPT_DONE;
  const size_t element = mpt_type_size(s->shape.type), real = mpt_real_size(s->shape.type);
  const char *what = "scalapack's workspace";
  sizes z = count_sizes(&s->shape, s->team.grid);
  s->lwork = (int)z.work;
  s->lrwork = (int)z.lrwork;
  s->liwork = (int)z.liwork;
  TRY(mpt_allocate(&s->a, z.a, element, what, error));
  TRY(mpt_allocate(&s->u, z.u, element, what, error));
  TRY(mpt_allocate(&s->x, z.x, element, what, error));
  if (s->shape.outputs) TRY(mpt_allocate(&s->sum, z.local, element, what, error));
  TRY(mpt_allocate(&s->columns, 4 * z.nq, sizeof(double), what, error));
  TRY(mpt_allocate(&s->small, z.small, real, what, error));
  TRY(mpt_allocate(&s->tau, z.nq + z.block, element, what, error));
  TRY(mpt_allocate(&s->work, z.work, element, what, error));
  TRY(mpt_allocate(&s->iwork, z.liwork, sizeof(int), what, error));
  TRY(mpt_allocate(&s->buffer, z.buffer, 1, what, error));
done:
  return code;
}

/* Collective: a BLACS grid on the team's communicator alone, row by row. */
static mpt_code make_grid(mpt_state *s, mpt_error *error) {
  const int *grid = s->team.grid, zero = 0, n = (int)s->shape.n, block = (int)s->cyclic.block;
  int info, lld, yes = 1;
  s->handle = Csys2blacs_handle(s->team.comm);
  s->context = s->handle;
  Cblacs_gridinit(&s->context, "Row", grid[0], grid[1]);
  Cblacs_set(s->context, BLACS_REPEATABLE,
             &yes); /* sums in one order, whatever message comes first */
  Cblacs_set(s->context, BLACS_COHERENT, &yes);
  MPI_Comm_split(s->team.comm, s->col, s->row, &s->column);
  s->np = mpt_cyclic_count(n, block, s->row, grid[0]);
  s->nq = mpt_cyclic_count(n, block, s->col, grid[1]);
  lld = s->np > 0 ? (int)s->np : 1;
  descinit_(s->desc, &n, &n, &block, &block, &zero, &zero, &s->context, &lld, &info);
  if (info == 0) return MPT_DONE;
  return mpt_fail(error, MPT_NO_RESOURCE,
                  "cannot set up ScaLAPACK: descinit gave INFO %d (report this)", info);
}

static mpt_code open_scalapack(const mpt_shape *shape, const mpt_team *team, mpt_state **out,
                               mpt_error *error) {
  mpt_code code;
  mpt_state *s = NULL;
  int64_t bytes;
  *out = NULL;
  code = workspace(shape, team->grid, &bytes, error);
  if (code == MPT_DONE) code = mpt_allocate(&s, 1, sizeof *s, "the scalapack engine", error);
  if (code == MPT_DONE) {
    s->shape = *shape;
    s->team = *team;
    s->column = MPI_COMM_NULL;
    s->context = -1;
    s->row = team->rank / team->grid[1];
    s->col = team->rank % team->grid[1];
    s->cyclic = (mpt_cyclic){&s->team, shape->n, choose_block(shape, team->grid), false};
    code = allocate_arrays(s, error);
  }
  AGREE(team->comm, code);
  AGREE(team->comm, make_grid(s, error));
  *out = s;
  return MPT_DONE;
done:
  close_scalapack(s);
  return code;
}

static void solve(mpt_state *state, mpt_batch *batch) {
  static void (*const table[])(mpt_state *, mpt_batch *, int64_t) = WORKER_TABLE(solve);
  for (int64_t k = 0; k < batch->count; k++)
    if (batch->report[k].status == MPT_PENDING && batch->n > 0) table[batch->type](state, batch, k);
}

static void begin(mpt_state *state, const mpt_batch *batch, int64_t k, bool solved) {
  static void (*const table[])(mpt_state *, const mpt_batch *, int64_t, bool) = WORKER_TABLE(begin);
  if (batch->n > 0) table[batch->type](state, batch, k, solved);
}

static void into_basis(mpt_state *state, const void *slab, mpt_side side) {
  static void (*const table[])(mpt_state *, const void *, mpt_side) = WORKER_TABLE(into_basis);
  if (state->shape.n > 0) table[state->shape.type](state, slab, side);
}

static bool next_tile(const mpt_state *state, int64_t *next, mpt_tile *tile) {
  static bool (*const table[])(const mpt_state *, int64_t *, mpt_tile *) = WORKER_TABLE(next_tile);
  return table[state->shape.type](state, next, tile);
}

static void out_of_basis(mpt_state *state, bool sum, mpt_side side, void *slab) {
  static void (*const table[])(mpt_state *, bool, mpt_side, void *) = WORKER_TABLE(out_of_basis);
  if (state->shape.n > 0) table[state->shape.type](state, sum, side, slab);
}

static void from_diagonal(mpt_state *state, const double *diagonal, void *slab) {
  static void (*const table[])(mpt_state *, const double *, void *) = WORKER_TABLE(from_diagonal);
  if (state->shape.n > 0) table[state->shape.type](state, diagonal, slab);
}

const mpt_engine mpt_scalapack = {
    .name = "scalapack",
    .id = MPT_ENGINE_SCALAPACK,
    .takes_team = true,
    .writes_input = true,
    .workspace = workspace,
    .open = open_scalapack,
    .close = close_scalapack,
    .solve = solve,
    .begin = begin,
    .into_basis = into_basis,
    .next_tile = next_tile,
    .out_of_basis = out_of_basis,
    .from_diagonal = from_diagonal,
};
