/* Prototypes of the BLAS and LAPACK routines in use, for the current type of for_each_type.h.
 * Character lengths follow as gfortran and compatible compilers expect them. */
#ifndef MPT_BLAS_H
#define MPT_BLAS_H
#include <stddef.h>
typedef int mpt_blas_int;
#endif

#ifdef Scalar
#if IS_COMPLEX
#define XHETRD BLAS(hetrd)
#define XUNMTR BLAS(unmtr)
#define XHER2K BLAS(her2k)
#else
#define XHETRD BLAS(sytrd)
#define XUNMTR BLAS(ormtr)
#define XHER2K BLAS(syr2k)
#endif

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
/* A = Q T Q^H. */
void XHETRD(const char *uplo, const int *n, Scalar *a, const int *lda, Real *d, Real *e,
            Scalar *tau, Scalar *work, const int *lwork, int *info, size_t);
/* C = Q C or Q^H C. */
void XUNMTR(const char *side, const char *uplo, const char *trans, const int *m, const int *n,
            const Scalar *a, const int *lda, const Scalar *tau, Scalar *c, const int *ldc,
            Scalar *work, const int *lwork, int *info, size_t, size_t, size_t);
/* One triangle of C = beta C + alpha A B^H + conj(alpha) B A^H. */
void XHER2K(const char *uplo, const char *trans, const int *n, const int *k, const Scalar *alpha,
            const Scalar *a, const int *lda, const Scalar *b, const int *ldb, const Real *beta,
            Scalar *c, const int *ldc, size_t, size_t);
/* Eigenvalues of a real tridiagonal matrix; eigenvalues and eigenvectors. */
void RBLAS(sterf)(const int *n, Real *d, Real *e, int *info);
void RBLAS(stedc)(const char *compz, const int *n, Real *d, Real *e, Real *z, const int *ldz,
                  Real *work, const int *lwork, int *iwork, const int *liwork, int *info, size_t);
/* Eigenvalues il to iu by bisection, grouped by the blocks into which the matrix falls, and the
 * eigenvectors of those by inverse iteration. */
void RBLAS(stebz)(const char *range, const char *order, const int *n, const Real *vl,
                  const Real *vu, const int *il, const int *iu, const Real *abstol, const Real *d,
                  const Real *e, int *m, int *nsplit, Real *w, int *iblock, int *isplit, Real *work,
                  int *iwork, int *info, size_t, size_t);
void RBLAS(stein)(const int *n, const Real *d, const Real *e, const int *m, const Real *w,
                  const int *iblock, const int *isplit, Real *z, const int *ldz, Real *work,
                  int *iwork, int *ifail, int *info);
#endif
