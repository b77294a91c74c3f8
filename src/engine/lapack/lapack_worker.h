/* Included once per scalar type by lapack.c. Names follow LAPACK's column-major view: the row-major
 * V and gV are V^T and gV^T there, and A is conj(A). */
#include "engine/blas.h"

static int NAME(evd)(const char *job, int n, Scalar *z, Real *w, Scalar *work, int lwork,
                     Real *rwork, int lrwork, int *iwork, int liwork) {
  int info = 0;
#if IS_COMPLEX
  BLAS(heevd)(job, "L", &n, z, &n, w, work, &lwork, rwork, &lrwork, iwork, &liwork, &info, 1, 1);
#else
  (void)rwork;
  (void)lrwork;
  BLAS(syevd)(job, "L", &n, z, &n, w, work, &lwork, iwork, &liwork, &info, 1, 1);
#endif
  return info;
}

static void NAME(query)(const mpt_shape *shape, double wanted[3]) {
  Scalar z = 0, work = 0;
  Real w = 0, rwork = 0;
  int iwork = 0;
  if (NAME(evd)(shape->vectors ? "V" : "N", (int)shape->n, &z, &w, &work, -1, &rwork, -1, &iwork,
                -1))
    return;
  wanted[0] = RE(work);
  wanted[1] = rwork;
  wanted[2] = iwork;
}

/* The reflectors of columns j to j + count - 1 as I - V T V^H: V [n - j - 1, count], with its ones
 * and zeros, and T, upper triangular [count, count] in steps of BLOCK. Each column of T follows
 * from those before it: T_j = -tau_j T (V^H v_j) (Schreiber and Van Loan 1989). */
static void NAME(gather)(const mpt_state *s, const Scalar *tau, int j, int count, Scalar *v,
                         Scalar *t, Scalar *inner) {
  const Scalar one = 1, zero = 0, *z = s->z;
  const int64_t n = s->shape.n;
  const int rows = (int)n - j - 1, step = BLOCK;
  for (int64_t c = 0; c < count; c++) {
    Scalar *column = v + c * rows;
    for (int64_t i = 0; i < c; i++) column[i] = 0;
    column[c] = 1;
    memcpy(column + c + 1, z + (j + c) * n + j + c + 2, sizeof(Scalar) * (size_t)(rows - c - 1));
  }
  BLAS(gemm)
  ("C", "N", &count, &count, &rows, &one, v, &rows, v, &rows, &zero, inner, &step, 1, 1);
  memset(t, 0, sizeof(Scalar) * (size_t)(count * step));
  for (int c = 0; c < count; c++) {
    t[c + c * step] = tau[j + c];
    for (int i = 0; i < c; i++) {
      Scalar sum = 0;
      for (int l = i; l < c; l++) sum += t[i + l * step] * inner[l + c * step];
      t[i + c * step] = -tau[j + c] * sum;
    }
  }
}

/* U = Q U for U [n, n] and the Q that ?hetrd left in z and tau, some reflectors at a time. `spare`
 * has room for n^2 elements. */
static void NAME(turn_back)(const mpt_state *s, const Scalar *tau, Scalar *u, Scalar *spare) {
  const Scalar one = 1, minus = -1, zero = 0;
  const int n = (int)s->shape.n, step = BLOCK;
  Scalar *t = spare, *inner = t + step * step, *v = inner + step * step, *x = v + n * step,
         *y = x + n * step;
  for (int j = (n - 2) / step * step; j >= 0; j -= step) {
    const int count = n - 1 - j < step ? n - 1 - j : step, rows = n - j - 1;
    NAME(gather)(s, tau, j, count, v, t, inner);
    BLAS(gemm)
    ("C", "N", &count, &n, &rows, &one, v, &rows, u + j + 1, &n, &zero, x, &step, 1, 1);
    BLAS(gemm)("N", "N", &count, &n, &count, &one, t, &step, x, &step, &zero, y, &step, 1, 1);
    BLAS(gemm)
    ("N", "N", &rows, &n, &count, &minus, v, &rows, y, &step, &one, u + j + 1, &n, 1, 1);
  }
}

/* As ?heevd with vectors, for n >= LARGE and in the same workspace; z holds the matrix, and *u
 * receives the place of the eigenvectors. ?heevd's ?unmtr takes 32 reflectors at a time, and most
 * of its time for it. */
static int NAME(solve_large)(mpt_state *s, Real *w, Scalar **u) {
  const int n = (int)s->shape.n;
  const int64_t n2 = (int64_t)n * n;
  Scalar *tau = s->work, *spare = tau + n;
#if IS_COMPLEX
  Real *e = s->rwork, *t = e + n, *work = t + n2;
  const int lwork = s->lrwork - n - (int)n2, room = s->lwork - n;
#else
  Real *e = spare, *t = e + n, *work = t + n2;
  const int lwork = s->lwork - 2 * n - (int)n2, room = lwork;
  spare = work;
#endif
  int info = 0;
  XHETRD("L", &n, s->z, &n, w, e, tau, spare, &room, &info, 1);
  if (!info) RBLAS(stedc)("I", &n, w, e, t, &n, work, &lwork, s->iwork, &s->liwork, &info, 1);
  if (info) return info;
#if IS_COMPLEX
  for (int64_t i = 0; i < n2; i++) spare[i] = t[i];
  *u = spare;
  NAME(turn_back)(s, tau, *u, (Scalar *)t);
#else
  *u = t;
  NAME(turn_back)(s, tau, *u, work);
#endif
  return info;
}

static void NAME(solve)(mpt_state *s, mpt_batch *batch, int64_t k) {
  const int64_t n = batch->n, n2 = n * n;
  const bool large = batch->v && n >= LARGE;
  const Scalar *from = (Scalar *)batch->a + k * n2;
  const double scale = large ? mpt_extreme_scale(batch->type, batch->report[k].largest) : 1;
  Real *w = (Real *)batch->w + k * n;
  Scalar *u = s->z;
  for (int64_t i = 0; i < n2; i++) u[i] = scale == 1 ? from[i] : from[i] * (Real)scale;
  const int info = large ? NAME(solve_large)(s, w, &u)
                         : NAME(evd)(batch->v ? "V" : "N", (int)n, s->z, w, s->work, s->lwork,
                                     s->rwork, s->lrwork, s->iwork, s->liwork);
  if (info != 0) {
    batch->report[k].status = MPT_STATUS_NO_CONVERGENCE;
    return;
  }
  for (int64_t i = 0; scale != 1 && i < n; i++) w[i] /= (Real)scale;
  if (!batch->v) return;
  mpt_fix_phases(batch->type, n, n, u);
  mpt_facing f = {n, n, (Scalar *)batch->v + k * n2, n, u, n};
  mpt_conjugate_transpose(batch->type, &f);
}

/* T = gV^T conj(V), or V^T M^T conj(V), in z, and its conjugate transpose in work. */
static void NAME(into_basis)(mpt_state *s, const void *slab, mpt_side side) {
  const Scalar one = 1, zero = 0, *vt = s->vt;
  const int n = (int)s->shape.n;
  Scalar *t = s->z, *y = s->work;
  if (side == MPT_BOTH)
    BLAS(gemm)("N", "N", &n, &n, &n, &one, vt, &n, slab, &n, &zero, y, &n, 1, 1);
  BLAS(gemm)
  ("N", "C", &n, &n, &n, &one, side == MPT_BOTH ? y : slab, &n, vt, &n, &zero, t, &n, 1, 1);
  mpt_facing f = {n, n, s->work, n, t, n};
  mpt_conjugate_transpose(s->shape.type, &f);
}

/* G^T = conj(V) (X^T V^T). It is Hermitian, so only panels on and below the diagonal are computed.
 */
static void NAME(product)(const mpt_state *s, Scalar *g) {
  const Scalar one = 1, zero = 0, *vt = s->vt, *y = s->work;
  const int n = (int)s->shape.n, panel = n <= 64 ? n : n <= 512 ? 64 : n / 8;
  for (int j = 0; j < n; j += panel) {
    int width = n - j < panel ? n - j : panel, rows = n - j;
    BLAS(gemm)
    ("C", "N", &rows, &width, &n, &one, vt + (size_t)j * n, &n, y + (size_t)j * n, &n, &zero,
     g + j + (size_t)j * n, &n, 1, 1);
  }
  mpt_mirror_block(s->shape.type, n, g, n, MPT_TRIANGLE_UPPER);
}

static void NAME(out_of_basis)(mpt_state *s, bool sum, mpt_side side, void *slab) {
  const Scalar one = 1, zero = 0, *x = sum ? s->sum : s->z;
  const int n = (int)s->shape.n;
  Scalar *y = side == MPT_LEFT ? slab : s->work;
  BLAS(gemm)("N", "N", &n, &n, &n, &one, x, &n, s->vt, &n, &zero, y, &n, 1, 1);
  if (side == MPT_BOTH) NAME(product)(s, slab);
}

static void NAME(from_diagonal)(mpt_state *s, const double *diagonal, void *slab) {
  const int64_t n = s->shape.n;
  const Scalar *vt = s->vt;
  Scalar *y = s->work;
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j < n; j++) y[i * n + j] = (Real)diagonal[j] * vt[i * n + j];
  NAME(product)(s, slab);
}
