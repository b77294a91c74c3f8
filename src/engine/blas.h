/* Prototypes of the BLAS and LAPACK routines in use, for the current type of for_each_type.h.
 * Character lengths follow as gfortran and compatible compilers expect them. */
#ifndef MPT_BLAS_H
#define MPT_BLAS_H
#include <stddef.h>
typedef int mpt_blas_int;
#endif

#ifdef Scalar
void BLAS(gemm)(const char *transa, const char *transb, const int *m, const int *n, const int *k,
                const Scalar *alpha, const Scalar *a, const int *lda, const Scalar *b,
                const int *ldb, const Scalar *beta, Scalar *c, const int *ldc, size_t, size_t);
#if IS_COMPLEX
void BLAS(heevd)(const char *jobz, const char *uplo, const int *n, Scalar *a, const int *lda,
                 Real *w, Scalar *work, const int *lwork, Real *rwork, const int *lrwork,
                 int *iwork, const int *liwork, int *info, size_t, size_t);
#else
void BLAS(syevd)(const char *jobz, const char *uplo, const int *n, Scalar *a, const int *lda,
                 Real *w, Scalar *work, const int *lwork, int *iwork, const int *liwork, int *info,
                 size_t, size_t);
#endif
#endif
