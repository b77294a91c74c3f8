/* Included once per scalar type by scalapack.c. In the column-major view, row-major slabs hold A^T
 * = conj(A), V^T, gV^T and G^T; the eigenvectors of conj(A) are U = conj(V). */
#include "engine/blas.h"
#include "engine/scalapack/pblas.h"

static const int NAME(one_index) = 1;
#define AT(matrix) (matrix), &NAME(one_index), &NAME(one_index), s->desc

static void NAME(load)(mpt_state *s, const void *slab, void *local) {
  mpt_slab_to_cyclic(&s->cyclic, sizeof(Scalar), slab, local, s->buffer);
}

static void NAME(load_scaled)(mpt_state *s, const Scalar *slab, double scale) {
  NAME(load)(s, slab, s->a);
  Scalar *a = s->a;
  for (int64_t i = 0; scale != 1 && i < s->np * s->nq; i++) a[i] *= (Real)scale;
}

static mpt_facing NAME(facing)(const mpt_state *s, void *to, const void *from, bool back) {
  int64_t rows = back ? s->nq : s->np, cols = back ? s->np : s->nq;
  return (mpt_facing){rows, cols, to, cols, from, rows};
}

/* Makes the slab of V^T = U^H from u, using a; and the reverse. */
static void NAME(store_vectors)(mpt_state *s, Scalar *slab) {
  mpt_cyclic swapped = s->cyclic;
  swapped.swapped = true;
  mpt_facing f = NAME(facing)(s, s->a, s->u, false);
  mpt_conjugate_transpose(s->shape.type, &f);
  mpt_cyclic_to_slab(&swapped, sizeof(Scalar), s->a, slab, s->buffer);
}

static void NAME(load_vectors)(mpt_state *s, const Scalar *slab) {
  mpt_cyclic swapped = s->cyclic;
  swapped.swapped = true;
  mpt_slab_to_cyclic(&swapped, sizeof(Scalar), slab, s->a, s->buffer);
  mpt_facing f = NAME(facing)(s, s->u, s->a, true);
  mpt_conjugate_transpose(s->shape.type, &f);
}

/* Real numbers of s->small: local d and e, whole d and e, and work. */
typedef struct NAME(small) {
  Real *d, *e, *w, *off, *work;
} NAME(small);

static NAME(small) NAME(small_of)(mpt_state *s) {
  NAME(small) r;
  r.d = s->small;
  r.e = r.d + s->nq + 1;
  r.w = r.e + s->nq + 1;
  r.off = r.w + s->shape.n + 1;
  r.work = r.off + s->shape.n + 1;
  return r;
}

/* Computes a = Q T Q^H, with d and e on every rank, in r.w and r.off. Returns INFO. */
static int NAME(tridiagonalize)(mpt_state *s) {
  const int n = (int)s->shape.n, lwork = (int)(s->shape.n + 4 * s->cyclic.block);
  NAME(small) r = NAME(small_of)(s);
  int info = 0;
  PXHETRD("L", &n, AT(s->a), r.d, r.e, s->tau, s->work, &s->lwork, &info, 1);
  RPBLAS(lared1d)(&n, &NAME(one_index), &NAME(one_index), s->desc, r.d, r.w, r.work, &lwork);
  RPBLAS(lared1d)(&n, &NAME(one_index), &NAME(one_index), s->desc, r.e, r.off, r.work, &lwork);
  return abs(info);
}

/* Computes all eigenpairs of T: values in r.w, vectors in the returned array. */
static Real *NAME(diagonalize)(mpt_state *s, int *info) {
  const int n = (int)s->shape.n;
  NAME(small) r = NAME(small_of)(s);
  Real *q = IS_COMPLEX ? s->x : s->u, *work = IS_COMPLEX ? s->u : s->x;
  memset(q, 0, sizeof(Real) * (size_t)(s->np * s->nq)); /* p?stedc writes only its own blocks */
  RPBLAS(stedc)("I", &n, r.w, r.off, AT(q), work, &s->lrwork, s->iwork, &s->liwork, info, 1);
  return q;
}

/* All stages: u = Q (eigenvectors of T). Returns the worst INFO of the stages. */
static int NAME(chain)(mpt_state *s, bool vectors) {
  const int n = (int)s->shape.n;
  NAME(small) r = NAME(small_of)(s);
  int info = 0, worst = NAME(tridiagonalize)(s);
  if (!vectors) {
    RBLAS(sterf)(&n, r.w, r.off, &info);
    return worst + abs(info);
  }
  const Real *q = NAME(diagonalize)(s, &info);
  worst += abs(info);
  Scalar *u = s->u;
  for (int64_t i = 0; IS_COMPLEX && i < s->np * s->nq; i++) u[i] = q[i];
  PXUNMTR("L", "L", "N", &n, &n, AT(s->a), s->tau, AT(s->u), s->work, &s->lwork, &info, 1, 1, 1);
  return worst + abs(info);
}

/* The row of each local column's pivot: the first row, over all ranks of the process column, whose
 * component is as large as the largest, within rounding. pivot is its value; rows[j] is global,
 * mine[j] is this rank's candidate. */
static void NAME(find_pivots)(mpt_state *s, const Scalar *u, int nq, double *rows, double *mine,
                              double *pivot) {
  const double equal = 1 - mpt_equal_components(s->shape.type, s->shape.n);
  for (int64_t j = 0; j < nq; j++)
    rows[j] = mpt_largest_component2(s->shape.type, s->np, u + j * s->np);
  MPI_Allreduce(MPI_IN_PLACE, rows, nq, MPI_DOUBLE, MPI_MAX, s->column);
  for (int64_t j = 0; j < nq; j++) {
    const Scalar *column = u + j * s->np;
    int64_t i = mpt_first_component(s->shape.type, s->np, column, rows[j] * equal * equal);
    mine[j] = i < 0 ? INFINITY : (double)global_index(i, s->cyclic.block, s->row, s->team.grid[0]);
    if (i >= 0) mpt_get_element(s->shape.type, column, i, &pivot[2 * j]);
  }
  MPI_Allreduce(mine, rows, nq, MPI_DOUBLE, MPI_MIN, s->column);
  for (int64_t j = 0; j < nq; j++)
    if (mine[j] != rows[j]) pivot[2 * j] = pivot[2 * j + 1] = 0;
  MPI_Allreduce(MPI_IN_PLACE, pivot, 2 * nq, MPI_DOUBLE, MPI_SUM, s->column);
}

/* mpt_fix_phases for columns that are distributed over a process column. */
static void NAME(fix_phases)(mpt_state *s, Scalar *u, int64_t nq) {
  if (s->team.grid[0] == 1) {
    mpt_fix_phases(s->shape.type, s->np, nq, u);
    return;
  }
  const int64_t block = s->cyclic.block;
  double *rows = s->columns, *mine = rows + nq, *pivot = mine + nq;
  NAME(find_pivots)(s, u, (int)nq, rows, mine, pivot);
  for (int64_t j = 0; j < nq; j++) {
    int64_t row = (int64_t)rows[j];
    int64_t local = row / block / s->team.grid[0] * block + row % block;
    mpt_turn_column(s->shape.type, s->np, u + j * s->np, &pivot[2 * j],
                    mine[j] == rows[j] ? local : -1);
  }
}

static void NAME(solve)(mpt_state *s, mpt_batch *batch, int64_t k) {
  const int64_t n = batch->n, at = k * batch->rows * n;
  const bool vectors = batch->v != NULL;
  mpt_report *report = &batch->report[k];
  Real *w = (Real *)batch->w + k * n, *result = NAME(small_of)(s).w;
  const double scale = mpt_extreme_scale(TYPE, report->largest);
  int info = 0;
  NAME(load_scaled)(s, (const Scalar *)batch->a + at, scale);
  if (n > 1) {
    info = NAME(chain)(s, vectors);
  } else if (s->np * s->nq > 0) {
    result[0] = RE(*(Scalar *)s->a);
    *(Scalar *)s->u = 1;
  }
  for (int64_t j = 0; j < n; j++) w[j] = (Real)((double)result[j] / scale);
  MPI_Bcast(w, (int)n, MPI_REAL_TYPE, 0, mpt_team_comm(&s->team));
  MPI_Allreduce(MPI_IN_PLACE, &info, 1, MPI_INT, MPI_MAX, mpt_team_comm(&s->team));
  if (info) report->status = MPT_STATUS_NO_CONVERGENCE;
  if (info || !vectors) return;
  NAME(fix_phases)(s, s->u, s->nq);
  NAME(store_vectors)(s, (Scalar *)batch->v + at);
}

/* Makes x Hermitian from its lower triangle, using `scratch`. */
static void NAME(make_hermitian)(mpt_state *s, Scalar *x, Scalar *scratch) {
  const Scalar one = 1, zero = 0;
  const int n = (int)s->shape.n;
  PXTRANC(&n, &n, &one, AT(x), &zero, AT(scratch));
  const mpt_local local = {s->np, s->nq, x, scratch, NULL};
  mpt_tile tile;
  for (int64_t next = 0; tile_of(s, &local, &next, &tile);) {
    if (tile.row0 > tile.col0) continue;
    Scalar *to = tile.t;
    const Scalar *conjugate = tile.th;
    for (int64_t j = 0; j < tile.cols; j++)
      for (int64_t i = 0; i < tile.rows; i++) {
        if (tile.row0 + i < tile.col0 + j) to[i + j * s->np] = conjugate[i + j * s->np];
        if (tile.row0 + i == tile.col0 + j) to[i + j * s->np] = RE(to[i + j * s->np]);
      }
  }
}

/* The slab of G^T = Y U^H with Y in a, using x, which may be s->x or s->sum. G is Hermitian, so
 * only panels on and below the diagonal are computed; the rest is their conjugate transpose. */
static void NAME(product)(mpt_state *s, Scalar *x, void *slab) {
  const Scalar one = 1, zero = 0;
  const int n = (int)s->shape.n, unit = (int)s->cyclic.block, first = 1;
  const int panel = n <= 4 * unit ? n : (n + 8 * unit - 1) / (8 * unit) * unit; /* at least 1 */
  for (int j = 0; j < n; j += panel) {
    int width = n - j < panel ? n - j : panel, rows = n - j, at = j + 1;
    PBLAS(gemm)
    ("N", "C", &rows, &width, &n, &one, s->a, &at, &first, s->desc, s->u, &at, &first, s->desc,
     &zero, x, &at, &at, s->desc);
  }
  NAME(make_hermitian)(s, x, s->a);
  mpt_cyclic_to_slab(&s->cyclic, sizeof(Scalar), x, slab, s->buffer);
}

static void NAME(begin)(mpt_state *s, const mpt_batch *batch, int64_t k, bool solved) {
  if (!solved) NAME(load_vectors)(s, (const Scalar *)batch->v + k * batch->rows * batch->n);
}

/* T = M^T U, or U^H M^T U, in x, and its conjugate transpose in a. */
static void NAME(into_basis)(mpt_state *s, const void *slab, mpt_side side) {
  const Scalar one = 1, zero = 0;
  const int n = (int)s->shape.n;
  NAME(load)(s, slab, s->a);
  PBLAS(gemm)("N", "N", &n, &n, &n, &one, AT(s->a), AT(s->u), &zero, AT(s->x));
  if (side == MPT_BOTH) {
    memcpy(s->a, s->x, sizeof(Scalar) * (size_t)(s->np * s->nq));
    PBLAS(gemm)("C", "N", &n, &n, &n, &one, AT(s->u), AT(s->a), &zero, AT(s->x));
  }
  PXTRANC(&n, &n, &one, AT(s->x), &zero, AT(s->a));
}

/* (V X V^H)^T = U X^T U^H; (V X)^T = X^T U^H. */
static void NAME(out_of_basis)(mpt_state *s, bool sum, mpt_side side, void *slab) {
  const Scalar one = 1, zero = 0;
  const int n = (int)s->shape.n;
  Scalar *x = sum ? s->sum : s->x;
  if (side == MPT_BOTH) {
    PBLAS(gemm)("N", "N", &n, &n, &n, &one, AT(s->u), AT(x), &zero, AT(s->a));
    NAME(product)(s, x, slab);
  } else {
    PBLAS(gemm)("N", "C", &n, &n, &n, &one, AT(x), AT(s->u), &zero, AT(s->a));
    mpt_cyclic_to_slab(&s->cyclic, sizeof(Scalar), s->a, slab, s->buffer);
  }
}

static void NAME(from_diagonal)(mpt_state *s, const double *diagonal, void *slab) {
  Scalar *y = s->a;
  const Scalar *u = s->u;
  for (int64_t j = 0; j < s->nq; j++) {
    const Real d = (Real)diagonal[global_index(j, s->cyclic.block, s->col, s->team.grid[1])];
    for (int64_t i = 0; i < s->np; i++) y[i + j * s->np] = d * u[i + j * s->np];
  }
  NAME(product)(s, s->x, slab);
}
#include "engine/scalapack/scalapack_reduced_worker.h"
#undef AT
