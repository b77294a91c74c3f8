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

static void NAME(solve)(mpt_state *s, mpt_batch *batch, int64_t k) {
  const int64_t n = batch->n;
  Real *w = (Real *)batch->w + k * n;
  memcpy(s->z, (Scalar *)batch->a + k * n * n, sizeof(Scalar) * (size_t)(n * n));
  int info = NAME(evd)(batch->v ? "V" : "N", (int)n, s->z, w, s->work, s->lwork, s->rwork,
                       s->lrwork, s->iwork, s->liwork);
  if (info != 0) {
    batch->report[k].status = MPT_STATUS_NO_CONVERGENCE;
  } else if (batch->v) {
    mpt_fix_phases(batch->type, n, n, s->z);
    mpt_facing f = {n, n, (Scalar *)batch->v + k * n * n, n, s->z, n};
    mpt_conjugate_transpose(batch->type, &f);
  }
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
