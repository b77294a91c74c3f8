/* Included once per scalar type by bench_lanes.c: the loops that one would write without this
 * program. LAPACK sees a row-major A as conj(A), and V as V^T. */
#include "bench/bench_plain.h"

/* Allocates the workspace that the routine asks for; false when memory is out. */
static bool NAME(plain_open)(sample *s) {
  Scalar z = 0, work = 0;
  Real w = 0, rwork = 0;
  int iwork = 0;
  if (NAME(evd)((int)s->batch.n, &z, &w, &work, -1, &rwork, -1, &iwork, -1)) return false;
  s->lwork = (int)RE(work);
  s->lrwork = (int)rwork;
  s->liwork = iwork;
  s->work = mpt_alloc(s->lwork, sizeof(Scalar));
  s->rwork = mpt_alloc(s->lrwork, sizeof(Real));
  s->iwork = mpt_alloc(s->liwork, sizeof(int));
  return s->work && s->rwork && s->iwork;
}

static bool NAME(plain_forward)(sample *s) {
  const int64_t n = s->batch.n;
  int info = 0;
  for (int64_t k = 0; k < s->batch.count; k++)
    info |= NAME(evd)((int)n, (Scalar *)s->a + k * n * n, (Real *)s->w + k * n, s->work, s->lwork,
                      s->rwork, s->lrwork, s->iwork, s->liwork);
  return info == 0;
}

/* The Hermitian X from W = V^H gV: the upper triangle row by row, then the lower one. `inverse` has
 * room for n numbers. */
VECTOR_CLONES
static void NAME(plain_step)(int64_t n, const Real *w, const Real *gw, Scalar *x, Real *inverse) {
  for (int64_t i = 0; i < n; i++) {
    for (int64_t j = i + 1; j < n; j++) inverse[j] = (Real)0.5 / (w[j] - w[i]);
    for (int64_t j = i + 1; j < n; j++)
      x[i * n + j] = (x[i * n + j] - CONJ(x[j * n + i])) * inverse[j];
    x[i * n + i] = gw[i];
    for (int64_t j = 0; j < i; j++) x[i * n + j] = CONJ(x[j * n + i]);
  }
}

static bool NAME(plain_backward)(sample *s) {
  const mpt_batch *b = &s->batch;
  const int64_t n = b->n;
  const int m = (int)n;
  const Scalar one = 1, zero = 0;
  Scalar *x = s->x, *y = s->y;
  for (int64_t k = 0; k < b->count; k++) {
    const Scalar *v = (const Scalar *)b->v + k * n * n, *gv = (const Scalar *)b->gv + k * n * n;
    BLAS(gemm)("N", "C", &m, &m, &m, &one, gv, &m, v, &m, &zero, x, &m, 1, 1);
    NAME(plain_step)
    (n, (const Real *)b->w + k * n, (const Real *)b->gw + k * n, x, s->inverse);
    BLAS(gemm)("N", "N", &m, &m, &m, &one, x, &m, v, &m, &zero, y, &m, 1, 1);
    BLAS(gemm)
    ("C", "N", &m, &m, &m, &one, v, &m, y, &m, &zero, (Scalar *)s->g + k * n * n, &m, 1, 1);
  }
  return true;
}
