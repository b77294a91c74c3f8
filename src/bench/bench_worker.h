/* Included once per scalar type by bench_engines.c. */
#include "bench/bench_plain.h"
#include "engine/scalapack/pblas.h"

#if IS_COMPLEX
void PBLAS(heevd)(const char *jobz, const char *uplo, const int *n, Scalar *a, const int *ia,
                  const int *ja, const int *desca, Real *w, Scalar *z, const int *iz, const int *jz,
                  const int *descz, Scalar *work, const int *lwork, Real *rwork, const int *lrwork,
                  int *iwork, const int *liwork, int *info, size_t, size_t);
#else
void PBLAS(syevd)(const char *jobz, const char *uplo, const int *n, Scalar *a, const int *ia,
                  const int *ja, const int *desca, Real *w, Scalar *z, const int *iz, const int *jz,
                  const int *descz, Scalar *work, const int *lwork, int *iwork, const int *liwork,
                  int *info, size_t, size_t);
#endif

static Scalar NAME(element)(int64_t i, int64_t j) {
  double x[2];
  mpt_bench_element(i, j, x);
#if IS_COMPLEX
  return (Scalar)(x[0] + x[1] * I);
#else
  return (Scalar)x[0];
#endif
}

/* Fills rows and columns from row0 and col0 on; the part is Hermitian where row0 == col0. */
static void NAME(fill)(int64_t rows, int64_t n, int64_t row0, int64_t col0, void *slab) {
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < n; j++) ((Scalar *)slab)[i * n + j] = NAME(element)(row0 + i, col0 + j);
}

static int NAME(call_bare)(const bare *b, const int lwork, const int lrwork, const int liwork) {
  int one = 1, info = 0;
  Real *w = b->w, *rwork = b->rwork;
  Scalar *a = b->a, *z = b->z, *work = b->work;
  if (!b->desc) return NAME(evd)(b->n, a, w, work, lwork, rwork, lrwork, b->iwork, liwork);
#if IS_COMPLEX
  PBLAS(heevd)
  ("V", "L", &b->n, a, &one, &one, b->desc, w, z, &one, &one, b->desc, work, &lwork, rwork, &lrwork,
   b->iwork, &liwork, &info, 1, 1);
#else
  PBLAS(syevd)
  ("V", "L", &b->n, a, &one, &one, b->desc, w, z, &one, &one, b->desc, work, &lwork, b->iwork,
   &liwork, &info, 1, 1);
#endif
  return info;
}

static void NAME(fill_cyclic)(bare *b) {
  Scalar *a = b->a;
  const int64_t nb = b->block;
  const mpt_team *team = b->team;
  for (int64_t j = 0; j < b->cols; j++)
    for (int64_t i = 0; i < b->rows; i++) {
      int64_t row = (i / nb * team->grid[0] + team->rank / team->grid[1]) * nb + i % nb;
      int64_t column = (j / nb * team->grid[1] + team->rank % team->grid[1]) * nb + j % nb;
      a[i + j * b->rows] = NAME(element)(row, column);
    }
}

/* Allocates the workspace that the routine asks for (and what p?heevd's query leaves out), then
 * times calls; the last one counts. */
static double NAME(time_bare)(bare *b) {
  Scalar work[4] = {0};
  Real rwork[4] = {0};
  int iwork[4] = {0}, info = 0;
  double start = 0;
  bare query = *b;
  query.work = work;
  query.rwork = rwork;
  query.iwork = iwork;
  if (NAME(call_bare)(&query, -1, -1, -1)) return -1;
  int extra = b->desc ? b->rows * b->block + b->n : 0;
  int lwork = (int)RE(work[0]) + (IS_COMPLEX ? 0 : extra), lrwork = (int)rwork[0] + extra;
  b->work = mpt_alloc(lwork, sizeof(Scalar));
  b->rwork = mpt_alloc(lrwork, sizeof(Real));
  b->iwork = mpt_alloc(iwork[0], sizeof(int));
  if (!b->work || !b->rwork || !b->iwork) return -1;
  for (int k = 0; k < 2; k++) {
    if (b->desc)
      NAME(fill_cyclic)(b);
    else
      NAME(fill)(b->n, b->n, 0, 0, b->a);
    MPI_Barrier(b->comm);
    start = mpt_now();
    info |= NAME(call_bare)(b, lwork, lrwork, iwork[0]);
    MPI_Barrier(b->comm);
  }
  return info ? -1 : mpt_now() - start;
}
