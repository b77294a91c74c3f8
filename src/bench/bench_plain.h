/* Included once per scalar type by the benchmark's workers. */
#include "engine/blas.h"

static int NAME(evd)(int n, Scalar *a, Real *w, Scalar *work, int lwork, Real *rwork, int lrwork,
                     int *iwork, int liwork) {
  int info = 0;
#if IS_COMPLEX
  BLAS(heevd)("V", "L", &n, a, &n, w, work, &lwork, rwork, &lrwork, iwork, &liwork, &info, 1, 1);
#else
  (void)rwork;
  (void)lrwork;
  BLAS(syevd)("V", "L", &n, a, &n, w, work, &lwork, iwork, &liwork, &info, 1, 1);
#endif
  return info;
}
