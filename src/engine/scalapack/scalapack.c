/* One problem on a process grid. The stages of p?heevd (p?hetrd, p?stedc, p?unmtr) are called one
 * by one, to get what the driver hides: the INFO of each stage, workspaces that its queries omit,
 * eigenvalues alone, and a distribution in which every rank gets w. */
#include "engine/scalapack/redistribute.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "mpi/agree.h"
#include "base/scalar.h"
#include "engine/scalapack/mpi_team.h"

struct mpt_state {
  mpt_shape shape;
  mpt_team team;
  mpt_cyclic cyclic;
  MPI_Comm column; /* the ranks of this process column */
  int handle, context, desc[9];
  int row, col;     /* my position in the grid */
  int64_t np, nq;   /* local rows and columns */
  void *a, *u, *x;  /* n x n matrices: a is the solver's, u = conj(V), x is workspace */
  void *sum;        /* a fourth with shape.outputs, else NULL */
  double *columns;  /* [4 nq]: the ranks of a process column agree on these */
  void *small;      /* reals: local d, e; whole d, e; workspace for a row */
  void *tau, *work; /* [nq], [lwork] */
  int *iwork;
  int lwork, lrwork, liwork;
  void *buffer; /* for redistribution */
  struct {
    int64_t columns, room;  /* of the panels; columns that fit the memory */
    int64_t mq, tp;         /* local columns of the panels; local rows of a square of them */
    int desc[9], square[9]; /* of n x columns and columns x columns */
    void *u, *b, *spare;    /* [np mq], or whole columns of this rank */
    void *t, *th;           /* [tp mq] */
  } panels;
};

/* Global index of a local row or column. */
static int64_t global_index(int64_t local, int64_t block, int p, int count) {
  return (local / block * count + p) * block + local % block;
}

/* The local part of a matrix on the grid, from its first element on. */
typedef struct mpt_local {
  int64_t rows, cols;
  void *t, *th, *sum;
} mpt_local;

/* Iterates over its blocks as tiles; false after the last. */
static bool tile_of(const mpt_state *s, const mpt_local *local, int64_t *next, mpt_tile *tile) {
  const int64_t block = s->cyclic.block, down = (local->rows + block - 1) / block;
  const int64_t across = (local->cols + block - 1) / block;
  if (*next >= down * across) return false;
  const int64_t i = *next % down * block, j = *next / down * block;
  const size_t at = (size_t)(i + j * local->rows) * mpt_type_size(s->shape.type);
  *tile = (mpt_tile){
      .row0 = global_index(i, block, s->row, s->team.grid[0]),
      .col0 = global_index(j, block, s->col, s->team.grid[1]),
      .rows = local->rows - i < block ? local->rows - i : block,
      .cols = local->cols - j < block ? local->cols - j : block,
      .t = (char *)local->t + at,
      .ldt = local->rows,
      .th = (char *)local->th + at,
      .ldth = local->rows,
      .sum = local->sum ? (char *)local->sum + at : NULL,
  };
  ++*next;
  return true;
}

static bool next_tile(const mpt_state *s, int64_t *next, mpt_tile *tile) {
  const mpt_local local = {s->np, s->nq, s->x, s->a, s->sum};
  return tile_of(s, &local, next, tile);
}

#define WORKER "engine/scalapack/scalapack_worker.h"
#include "base/for_each_type.h"
#include "engine/engine_dispatch.h"
#include "engine/reduced_dispatch.h"

/* With n <= nb, p?stedc on several ranks leaves w on the owner alone, so n > nb always (n = 1 is
 * solved without it). */
static int64_t choose_block(const mpt_shape *shape, const int grid[2]) {
  int64_t block = shape->block > 0 ? shape->block : 32, n = shape->n;
  if (shape->columns > 0 && shape->block <= 0) { /* equal shares for process columns */
    const int64_t rounds = (shape->columns + grid[1] * block - 1) / (grid[1] * block);
    const int64_t even = (shape->columns + grid[1] * rounds - 1) / (grid[1] * rounds);
    if (even >= 16) block = even;
  }
  int most = grid[0] > grid[1] ? grid[0] : grid[1];
  if (block * most > n) block = n / most;
  return block > 0 ? block : 1;
}

typedef struct sizes {
  int64_t block, np, nq, local, a, u, x, small, work, lrwork, liwork, buffer;
} sizes;

/* The number of elements of every array, as the maximum over ranks: the documented minima,
 * p?unmtr's workspace, and for p?stedc the NP*(NB+NQ) of p?lasrt that its query leaves out. */
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

/* Elements of one panel and of one square with this many columns, as the maximum over ranks. */
static void count_panels(const mpt_shape *shape, const int grid[2], int64_t columns,
                         int64_t elements[2]) {
  const int64_t n = shape->n, block = choose_block(shape, grid), each = columns / grid[0] / grid[1];
  const int64_t mq = mpt_cyclic_count(columns, block, 0, grid[1]);
  const int64_t local = mpt_cyclic_count(n, block, 0, grid[0]) * mq, whole = n * (each + 1);
  elements[0] = (local > whole ? local : whole) + 1;
  elements[1] = mpt_cyclic_count(columns, block, 0, grid[0]) * mq + 1;
}

static int64_t panel_elements(const mpt_shape *shape, const int grid[2], int64_t columns) {
  int64_t elements[2];
  count_panels(shape, grid, columns, elements);
  return 3 * elements[0] + 2 * elements[1];
}

/* The only place where sizes are narrowed to ScaLAPACK's integers. ScaLAPACK computes 3 np nq in 32
 * bits and does not notice an overflow. */
static mpt_code workspace(const mpt_shape *shape, const int grid[2], int64_t *bytes,
                          mpt_error *error) {
  mpt_shape counted = *shape; /* n limited so that the counts fit 64 bits */
  if (counted.n > INT_MAX / 16) counted.n = INT_MAX / 16;
  sizes s = count_sizes(&counted, grid);
  const int64_t element = (int64_t)mpt_type_size(shape->type);
  const int64_t panels = shape->columns ? panel_elements(&counted, grid, shape->columns) : 0;
  *bytes = (s.a + s.u + s.x + (shape->outputs ? s.local : 0) + s.nq + s.work + panels) * element +
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
  free(s->panels.u);
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

/* Makes a BLACS grid on the team's communicator, in row order. Collective. */
static mpt_code make_grid(mpt_state *s, mpt_error *error) {
  const int *grid = s->team.grid, zero = 0, n = (int)s->shape.n, block = (int)s->cyclic.block;
  int info, lld, yes = 1;
  s->handle = Csys2blacs_handle(mpt_team_comm(&s->team));
  s->context = s->handle;
  Cblacs_gridinit(&s->context, "Row", grid[0], grid[1]);
  Cblacs_set(s->context, BLACS_REPEATABLE,
             &yes); /* fixed summation order, whichever message comes first */
  Cblacs_set(s->context, BLACS_COHERENT, &yes);
  MPI_Comm_split(mpt_team_comm(&s->team), s->col, s->row, &s->column);
  s->np = mpt_cyclic_count(n, block, s->row, grid[0]);
  s->nq = mpt_cyclic_count(n, block, s->col, grid[1]);
  lld = s->np > 0 ? (int)s->np : 1;
  descinit_(s->desc, &n, &n, &block, &block, &zero, &zero, &s->context, &lld, &info);
  if (info == 0) return MPT_DONE;
  return mpt_fail(error, MPT_NO_RESOURCE,
                  "cannot set up ScaLAPACK: descinit gave INFO %d (report this)", info);
}

static void describe(const mpt_state *s, int64_t rows, int64_t columns, int64_t local, int *desc) {
  const int m = (int)rows, n = (int)columns, block = (int)s->cyclic.block, zero = 0;
  const int lld = local > 0 ? (int)local : 1;
  int info;
  descinit_(desc, &m, &n, &block, &block, &zero, &zero, &s->context, &lld, &info);
}

/* Allocates one piece of memory, and lays out panels in it for the current number of columns. */
static mpt_code widen(mpt_state *s, int64_t columns, mpt_error *error) {
  const int64_t block = s->cyclic.block;
  const size_t size = mpt_type_size(s->shape.type);
  mpt_code code = MPT_DONE;
  int64_t elements[2];
  if (!s->panels.u || s->panels.room < columns) {
    free(s->panels.u);
    AGREE(mpt_team_comm(&s->team),
          mpt_allocate(&s->panels.u, panel_elements(&s->shape, s->team.grid, columns), size,
                       "panels of eigenvectors", error));
    s->panels.room = columns;
  }
  count_panels(&s->shape, s->team.grid, columns, elements);
  s->panels.b = (char *)s->panels.u + (size_t)elements[0] * size;
  s->panels.spare = (char *)s->panels.b + (size_t)elements[0] * size;
  s->panels.t = (char *)s->panels.spare + (size_t)elements[0] * size;
  s->panels.th = (char *)s->panels.t + (size_t)elements[1] * size;
  s->panels.columns = columns;
  s->panels.mq = mpt_cyclic_count(columns, block, s->col, s->team.grid[1]);
  s->panels.tp = mpt_cyclic_count(columns, block, s->row, s->team.grid[0]);
  describe(s, s->shape.n, columns, s->np, s->panels.desc);
  describe(s, columns, columns, s->panels.tp, s->panels.square);
done:
  return code;
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
    s->cyclic = (mpt_cyclic){&s->team, shape->n, shape->n, choose_block(shape, team->grid), false};
    code = allocate_arrays(s, error);
  }
  AGREE(mpt_team_comm(team), code);
  AGREE(mpt_team_comm(team), make_grid(s, error));
  if (shape->columns) TRY_COLL(widen(s, shape->columns, error));
  *out = s;
  return MPT_DONE;
done:
  close_scalapack(s);
  return code;
}

static void begin(mpt_state *state, const mpt_batch *batch, int64_t k, bool solved) {
  static void (*const table[])(mpt_state *, const mpt_batch *, int64_t, bool) = WORKER_TABLE(begin);
  if (batch->n > 0) table[batch->type](state, batch, k, solved);
}

static void keep_factor(mpt_state *s, void *reflectors, void *tau) {
  static void (*const table[])(mpt_state *, void *) = WORKER_TABLE(keep_tau);
  mpt_cyclic_to_slab(&s->cyclic, mpt_type_size(s->shape.type), s->a, reflectors, s->buffer);
  table[s->shape.type](s, tau);
}

static void take_factor(mpt_state *s, const void *reflectors, const void *tau) {
  static void (*const table[])(mpt_state *, const void *) = WORKER_TABLE(take_tau);
  mpt_slab_to_cyclic(&s->cyclic, mpt_type_size(s->shape.type), reflectors, s->a, s->buffer);
  table[s->shape.type](s, tau);
}

/* The layout of the conjugate transpose of a panel, columns x n: its slabs are rows of the panel.
 */
static mpt_cyclic panel_rows(const mpt_state *s) {
  return (mpt_cyclic){&s->team, s->panels.columns, s->shape.n, s->cyclic.block, true};
}

static void load(mpt_state *s, mpt_panel panel, const void *slab) {
  const mpt_cyclic rows = panel_rows(s);
  void *mine = panel == MPT_PANEL_U ? s->panels.u : s->panels.b;
  mpt_slab_to_cyclic(&rows, mpt_type_size(s->shape.type), slab, s->panels.spare, s->buffer);
  const mpt_facing f = {s->panels.mq, s->np, mine, s->np, s->panels.spare, s->panels.mq};
  mpt_conjugate_transpose(s->shape.type, &f);
}

static void store(mpt_state *s, mpt_panel panel, void *slab) {
  const mpt_cyclic rows = panel_rows(s);
  const void *mine = panel == MPT_PANEL_U ? s->panels.u : s->panels.b;
  const mpt_facing f = {s->np, s->panels.mq, s->panels.spare, s->panels.mq, mine, s->np};
  mpt_conjugate_transpose(s->shape.type, &f);
  mpt_cyclic_to_slab(&rows, mpt_type_size(s->shape.type), s->panels.spare, slab, s->buffer);
}

static bool next_panel_tile(const mpt_state *s, int64_t *next, mpt_tile *tile) {
  const mpt_local local = {s->panels.tp, s->panels.mq, s->panels.t, s->panels.th, NULL};
  return tile_of(s, &local, next, tile);
}

/* The layout of a panel, n x columns: its slabs are whole columns. */
static mpt_cyclic panel_columns(const mpt_state *s) {
  return (mpt_cyclic){&s->team, s->shape.n, s->panels.columns, s->cyclic.block, false};
}

static void *whole_columns(mpt_state *s, int64_t *first, int64_t *count) {
  const mpt_cyclic columns = panel_columns(s);
  const int64_t m = s->panels.columns;
  *first = mpt_slab_start(m, s->team.size, s->team.rank);
  *count = mpt_slab_start(m, s->team.size, s->team.rank + 1) - *first;
  mpt_cyclic_to_slab(&columns, mpt_type_size(s->shape.type), s->panels.b, s->panels.spare,
                     s->buffer);
  return s->panels.spare;
}

static void whole_columns_back(mpt_state *s) {
  const mpt_cyclic columns = panel_columns(s);
  mpt_slab_to_cyclic(&columns, mpt_type_size(s->shape.type), s->panels.spare, s->panels.b,
                     s->buffer);
}

static const mpt_reduced reduced = {
    .widen = widen,
    .reduce = reduce,
    .keep_factor = keep_factor,
    .take_factor = take_factor,
    .diagonalize = diagonalize,
    .take = take,
    .load = load,
    .store = store,
    .overlap = overlap,
    .next_tile = next_panel_tile,
    .project = project,
    .turn = turn,
    .whole_columns = whole_columns,
    .whole_columns_back = whole_columns_back,
    .combine = combine,
    .assemble = assemble,
};

const mpt_engine mpt_scalapack = {
    .name = "scalapack",
    .id = MPT_ENGINE_SCALAPACK,
    .cost = {1, 60, 3e-6},
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
    .reduced = &reduced,
};
