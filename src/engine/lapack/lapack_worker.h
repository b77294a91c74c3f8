/* Included once per scalar type by lapack.c. In the names of LAPACK's column-major world, the
 * row-major V and gV are V^T and gV^T, and A is conj(A). */
#include "blas.h"

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
    batch->report[k].status = MPT_NO_CONVERGENCE;
  } else if (batch->v) {
    mpt_fix_phases(batch->type, n, n, s->z);
    mpt_facing f = {n, n, (Scalar *)batch->v + k * n * n, n, s->z, n};
    mpt_conjugate_transpose(batch->type, &f);
  }
}

/* X^T = the elementwise step of T = gV^T conj(V), in s->z; V^T is m x n. */
static void NAME(step)(mpt_state *s, mpt_type type, int n, const Scalar *vt, const Scalar *gt,
                       const mpt_rule *rule, mpt_sums *sums) {
  const Scalar one = 1, zero = 0;
  Scalar *t = s->z, *th = s->work;
  BLAS(gemm)("N", "C", &n, &n, &n, &one, gt, &n, vt, &n, &zero, t, &n, 1, 1);
  mpt_facing f = {n, n, th, n, t, n};
  mpt_conjugate_transpose(type, &f);
  mpt_tile tile = {0, 0, n, n, t, n, th, n};
  mpt_backward_tile(type, rule, &tile, sums);
}

/* G^T = conj(V) (X^T V^T): Hermitian, so only panels on and below the diagonal are computed. */
static void NAME(product)(int n, const Scalar *vt, const Scalar *y, Scalar *g) {
  const Scalar one = 1, zero = 0;
  const int panel = n <= 64 ? n : n <= 512 ? 64 : n / 8;
  for (int j = 0; j < n; j += panel) {
    int width = n - j < panel ? n - j : panel, rows = n - j;
    BLAS(gemm)
    ("C", "N", &rows, &width, &n, &one, vt + (size_t)j * n, &n, y + (size_t)j * n, &n, &zero,
     g + j + (size_t)j * n, &n, 1, 1);
  }
}

static void NAME(differentiate)(mpt_state *s, mpt_batch *batch, int64_t k, const mpt_rule *rule,
                                mpt_sums *sums) {
  const int64_t n = batch->n, at = k * n * n;
  const int ni = (int)n;
  const Scalar one = 1, zero = 0, *vt = (const Scalar *)batch->v + at;
  Scalar *y = s->work, *g = (Scalar *)batch->g + at;
  if (rule->gv_norm) {
    NAME(step)(s, batch->type, ni, vt, (const Scalar *)batch->gv + at, rule, sums);
    BLAS(gemm)("N", "N", &ni, &ni, &ni, &one, s->z, &ni, vt, &ni, &zero, y, &ni, 1, 1);
  } else {
    mpt_add_diagonal(rule, sums);
    for (int64_t i = 0; i < n; i++)
      for (int64_t j = 0; j < n; j++) y[i * n + j] = (Real)rule->gw[j] * vt[i * n + j];
  }
  NAME(product)(ni, vt, y, g);
  mpt_mirror_block(batch->type, n, g, n, MPT_UPPER);
}
