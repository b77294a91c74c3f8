/* Included once per scalar type by lapack_reduced.c. As everywhere, the row-major A is conj(A) to
 * LAPACK, and its eigenvectors are U = conj(V). */
#include "engine/blas.h"

#define GEMM(...) BLAS(gemm)(__VA_ARGS__, 1, 1)
#define HER2K(...) XHER2K(__VA_ARGS__, 1, 1)
#define UNMTR(...) XUNMTR(__VA_ARGS__, 1, 1, 1)
#define PANEL(x) (x), &n
#define WHOLE(x) (x), &n
#define SQUARE(x) (x), &m
#define REFLECTORS ((const Scalar *)s->z)
#define TAU ((const Scalar *)s->panels.tau)
#include "engine/panel_worker.h"
#undef GEMM
#undef HER2K
#undef UNMTR
#undef PANEL
#undef WHOLE
#undef SQUARE
#undef REFLECTORS
#undef TAU

static int NAME(reduce)(mpt_state *s, const mpt_batch *batch, int64_t k, double scale, double *d,
                        double *e) {
  const int64_t n2 = s->shape.n * s->shape.n;
  const int n = (int)s->shape.n;
  const Scalar *from = (const Scalar *)batch->a + k * n2;
  Scalar *z = s->z;
  Real *rd = s->panels.reals, *re = rd + n;
  int info = 0;
  for (int64_t i = 0; i < n2; i++) z[i] = scale == 1 ? from[i] : from[i] * (Real)scale;
  XHETRD("L", &n, z, &n, rd, re, s->panels.tau, s->work, &s->lwork, &info, 1);
  for (int i = 0; i < n; i++) d[i] = rd[i];
  for (int i = 0; i + 1 < n; i++) e[i] = re[i];
  return info;
}

/* Computes T's eigenvectors, [n n] in work. */
static int NAME(diagonalize_given)(mpt_state *s, const double *d, const double *e, double *w) {
  const int64_t n = s->shape.n;
  const int order = (int)n;
  Real *rd = s->panels.reals, *re = rd + n, *z = s->work;
  Real *work = IS_COMPLEX ? s->rwork : z + n * n;
  const int lwork = IS_COMPLEX ? s->lrwork : (int)(s->lwork - n * n);
  int info = 0;
  for (int64_t i = 0; i < n; i++) rd[i] = (Real)d[i];
  for (int64_t i = 0; i + 1 < n; i++) re[i] = (Real)e[i];
  RBLAS(stedc)("I", &order, rd, re, z, &order, work, &lwork, s->iwork, &s->liwork, &info, 1);
  for (int64_t i = 0; i < n; i++) w[i] = rd[i];
  return info;
}

static int NAME(take)(mpt_state *s, int64_t first) {
  const int64_t n = s->shape.n, m = s->panels.columns;
  const Real *z = (const Real *)s->work + first * n;
  Scalar *u = s->panels.u;
  for (int64_t i = 0; i < n * m; i++) u[i] = z[i];
  const int info = NAME(turn_panel)(s, u, true);
  mpt_fix_phases(s->shape.type, n, m, u);
  return info;
}

static void NAME(overlap)(mpt_state *s) {
  const int64_t m = s->panels.columns;
  NAME(inner)(s, s->panels.b, s->panels.u, s->panels.t);
  mpt_facing f = {m, m, s->panels.th, m, s->panels.t, m};
  mpt_conjugate_transpose(s->shape.type, &f);
}

static void NAME(combine)(mpt_state *s, const double *diagonal) {
  const int64_t n = s->shape.n;
  const Scalar *u = s->panels.u;
  Scalar *b = s->panels.b;
  if (!diagonal) {
    NAME(combine_square)(s);
    return;
  }
  for (int64_t j = 0; j < s->panels.columns; j++)
    for (int64_t i = 0; i < n; i++) b[i + j * n] = (Real)(diagonal[j] / 2) * u[i + j * n];
}

static void NAME(assemble)(mpt_state *s, void *slab) {
  NAME(assemble_lower)(s, slab);
  mpt_mirror_block(s->shape.type, s->shape.n, slab, s->shape.n, MPT_TRIANGLE_UPPER);
}
