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

/* T's eigenvectors, [n n] in work; T stays in panels.reals. */
static int NAME(all_vectors)(mpt_state *s, Real *d, Real *e) {
  const int n = (int)s->shape.n;
  Real *z = s->work, *work = IS_COMPLEX ? (Real *)s->rwork : z + (int64_t)n * n;
  const int lwork = IS_COMPLEX ? s->lrwork : s->lwork - n * n;
  int info = 0;
  RBLAS(stedc)("I", &n, d, e, z, &n, work, &lwork, s->iwork, &s->liwork, &info, 1);
  return info;
}

/* Eigenvectors `first` on of T, one by one, [columns n] in work. They come grouped by the blocks
 * into which T falls, with their eigenvalues in *w. */
static int NAME(few_vectors)(mpt_state *s, int64_t first, const Real **w) {
  const int64_t n = s->shape.n, m = s->panels.columns;
  const int order = (int)n, low = (int)first + 1, high = (int)(first + m);
  const Real nothing = 0, *d = s->panels.reals, *e = d + n;
  Real *z = s->work, *values = IS_COMPLEX ? (Real *)s->rwork : z + n * m, *work = values + n;
  int *block = s->iwork, *split = block + n, *failed = split + n, *iwork = failed + n;
  int found = 0, blocks = 0, info = 0;
  RBLAS(stebz)
  ("I", "B", &order, &nothing, &nothing, &low, &high, &nothing, d, e, &found, &blocks, values,
   block, split, work, iwork, &info, 1, 1);
  if (info || found != m) return info ? info : 1;
  RBLAS(stein)(&order, d, e, &found, values, block, split, z, &order, work, iwork, failed, &info);
  *w = values;
  return info;
}

/* The place, among `count` values, of the one that comes after `last` in ascending order. */
static int64_t NAME(next_after)(int64_t count, const Real *w, int64_t last) {
  int64_t next = -1;
  for (int64_t j = 0; j < count; j++) {
    const bool later = last < 0 || w[j] > w[last] || (w[j] == w[last] && j > last);
    if (later && (next < 0 || w[j] < w[next])) next = j;
  }
  return next;
}

/* Computes T's eigenvalues, and its eigenvectors unless take() is to do that. */
static int NAME(diagonalize_given)(mpt_state *s, const double *d, const double *e, double *w) {
  const int64_t n = s->shape.n;
  const int order = (int)n;
  Real *rd = s->panels.reals, *re = rd + n;
  int info = 0;
  for (int64_t i = 0; i < n; i++) rd[i] = (Real)d[i];
  for (int64_t i = 0; i + 1 < n; i++) re[i] = (Real)e[i];
  if (takes_few(s)) {
    double *off = s->work;
    memcpy(w, d, sizeof *w * (size_t)n);
    memcpy(off, e, sizeof *w * (size_t)(n - 1));
    dsterf_(&order, w, off, &info);
    for (int64_t i = 0; i < n; i++) w[i] = (Real)w[i]; /* as all keep it that keep it */
    return info;
  }
  info = NAME(all_vectors)(s, rd, re);
  for (int64_t i = 0; i < n; i++) w[i] = rd[i];
  return info;
}

static int NAME(take)(mpt_state *s, int64_t first) {
  const int64_t n = s->shape.n, m = s->panels.columns;
  const Real *z = s->work, *w = NULL;
  Scalar *u = s->panels.u;
  int info = 0;
  if (takes_few(s) && NAME(few_vectors)(s, first, &w)) {
    w = NULL;
    info = NAME(all_vectors)(s, s->panels.reals, (Real *)s->panels.reals + n);
  }
  if (info) return info;
  for (int64_t j = 0, k = -1; j < m; j++) {
    k = w ? NAME(next_after)(m, w, k) : first + j;
    for (int64_t i = 0; i < n; i++) u[i + j * n] = z[i + k * n];
  }
  info = NAME(turn_panel)(s, u, true);
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
