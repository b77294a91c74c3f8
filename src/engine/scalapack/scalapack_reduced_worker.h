/* Included once per scalar type by scalapack_worker.h: some of n eigenpairs (mpt_reduced) by
 * p?hetrd, p?stedc on T, and p?unmtr on the wanted columns. */
#define GEMM(...) PBLAS(gemm)(__VA_ARGS__)
#define HER2K(...) PXHER2K(__VA_ARGS__)
#define UNMTR(...) PXUNMTR(__VA_ARGS__, 1, 1, 1)
#define PANEL(x) (x), &NAME(one_index), &NAME(one_index), s->panels.desc
#define SQUARE(x) (x), &NAME(one_index), &NAME(one_index), s->panels.square
#define WHOLE(x) AT(x)
#define REFLECTORS ((const Scalar *)s->a)
#define TAU ((const Scalar *)s->tau)
#include "engine/panel_worker.h"

static int NAME(reduce)(mpt_state *s, const mpt_batch *batch, int64_t k, double scale, double *d,
                        double *e) {
  const int64_t n = s->shape.n;
  const NAME(small) r = NAME(small_of)(s);
  int info = 0;
  NAME(load_scaled)(s, (const Scalar *)batch->a + k * batch->rows * n, scale);
  if (n > 1)
    info = NAME(tridiagonalize)(s);
  else if (s->np * s->nq > 0)
    r.w[0] = RE(*(Scalar *)s->a);
  if (n == 1) MPI_Bcast(r.w, 1, MPI_REAL_TYPE, 0, mpt_team_comm(&s->team));
  for (int64_t i = 0; i < n; i++) d[i] = r.w[i];
  for (int64_t i = 0; i + 1 < n; i++) e[i] = r.off[i];
  MPI_Allreduce(MPI_IN_PLACE, &info, 1, MPI_INT, MPI_MAX, mpt_team_comm(&s->team));
  return info;
}

/* tau is distributed as the local columns are, and is the same on all process rows. */
static void NAME(keep_tau)(mpt_state *s, void *whole) {
  const int64_t n = s->shape.n, block = s->cyclic.block;
  Scalar *tau = whole;
  memset(tau, 0, sizeof(Scalar) * (size_t)n);
  for (int64_t j = 0; s->row == 0 && j < s->nq; j++) {
    const int64_t at = global_index(j, block, s->col, s->team.grid[1]);
    if (at + 1 < n) tau[at] = ((Scalar *)s->tau)[j];
  }
  MPI_Allreduce(MPI_IN_PLACE, tau, (int)n, MPI_SCALAR, MPI_SUM, mpt_team_comm(&s->team));
}

static void NAME(take_tau)(mpt_state *s, const void *whole) {
  for (int64_t j = 0; j < s->nq; j++)
    ((Scalar *)s->tau)[j] =
        ((const Scalar *)whole)[global_index(j, s->cyclic.block, s->col, s->team.grid[1])];
}

/* T's eigenvectors, [n n] real, where diagonalize() leaves them. */
static int NAME(diagonalize_given)(mpt_state *s, const double *d, const double *e, double *w) {
  const int64_t n = s->shape.n;
  const NAME(small) r = NAME(small_of)(s);
  int info = 0;
  for (int64_t i = 0; i < n; i++) r.w[i] = (Real)d[i];
  for (int64_t i = 0; i + 1 < n; i++) r.off[i] = (Real)e[i];
  if (n > 1) NAME(diagonalize)(s, &info);
  for (int64_t i = 0; i < n; i++) w[i] = r.w[i];
  info = abs(info);
  MPI_Allreduce(MPI_IN_PLACE, &info, 1, MPI_INT, MPI_MAX, mpt_team_comm(&s->team));
  return info;
}

static int NAME(take)(mpt_state *s, int64_t first) {
  const int64_t local = s->np * s->panels.mq;
  const int order = (int)s->shape.n, columns = (int)s->panels.columns, at = (int)first + 1;
  const Real one = 1, zero = 0, *q = IS_COMPLEX ? s->x : s->u;
  Scalar *u = s->panels.u;
  Real *taken = IS_COMPLEX ? s->panels.spare : s->panels.u;
  if (order == 1) {
    if (local > 0) u[0] = 1;
    return 0;
  }
  RPBLAS(geadd)
  ("N", &order, &columns, &one, q, &NAME(one_index), &at, s->desc, &zero, PANEL(taken));
  for (int64_t i = 0; IS_COMPLEX && i < local; i++) u[i] = taken[i];
  int info = abs(NAME(turn_panel)(s, u, true));
  NAME(fix_phases)(s, u, s->panels.mq);
  MPI_Allreduce(MPI_IN_PLACE, &info, 1, MPI_INT, MPI_MAX, mpt_team_comm(&s->team));
  return info;
}

static void NAME(overlap)(mpt_state *s) {
  const Scalar one = 1, zero = 0;
  const int m = (int)s->panels.columns;
  NAME(inner)(s, s->panels.b, s->panels.u, s->panels.t);
  PXTRANC(&m, &m, &one, SQUARE(s->panels.t), &zero, SQUARE(s->panels.th));
}

static void NAME(combine)(mpt_state *s, const double *diagonal) {
  const int64_t block = s->cyclic.block;
  const Scalar *u = s->panels.u;
  Scalar *b = s->panels.b;
  if (!diagonal) {
    NAME(combine_square)(s);
    return;
  }
  for (int64_t j = 0; j < s->panels.mq; j++) {
    const Real half = (Real)(diagonal[global_index(j, block, s->col, s->team.grid[1])] / 2);
    for (int64_t i = 0; i < s->np; i++) b[i + j * s->np] = half * u[i + j * s->np];
  }
}

/* The reflectors in a are no longer needed. */
static void NAME(assemble)(mpt_state *s, void *slab) {
  NAME(assemble_lower)(s, s->a);
  NAME(make_hermitian)(s, s->a, s->x);
  mpt_cyclic_to_slab(&s->cyclic, sizeof(Scalar), s->a, slab, s->buffer);
}
#undef GEMM
#undef HER2K
#undef UNMTR
#undef PANEL
#undef SQUARE
#undef WHOLE
#undef REFLECTORS
#undef TAU
