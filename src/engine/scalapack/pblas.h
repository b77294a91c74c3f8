/* Prototypes of the BLACS, PBLAS and ScaLAPACK routines in use, the typed ones for the current type
 * of for_each_type.h. */
#ifndef MPT_PBLAS_H
#define MPT_PBLAS_H
#include <mpi.h>
#include <stddef.h>

int Csys2blacs_handle(MPI_Comm comm);
void Cfree_blacs_system_handle(int handle);
void Cblacs_gridinit(int *context, const char *order, int rows, int cols);
void Cblacs_gridexit(int context);
void Cblacs_set(int context, int what, int *value);
enum { BLACS_REPEATABLE = 15, BLACS_COHERENT = 16 }; /* SGET_TOPSREPEAT, SGET_TOPSCOHRNT */
void descinit_(int *desc, const int *m, const int *n, const int *mb, const int *nb, const int *rsrc,
               const int *csrc, const int *context, const int *lld, int *info);
#endif

#ifdef Scalar
#if IS_COMPLEX
#define PXHETRD PBLAS(hetrd)
#define PXUNMTR PBLAS(unmtr)
#define PXTRANC PBLAS(tranc)
#define PXHER2K PBLAS(her2k)
#else
#define PXHETRD PBLAS(sytrd)
#define PXUNMTR PBLAS(ormtr)
#define PXTRANC PBLAS(tran)
#define PXHER2K PBLAS(syr2k)
#endif

/* A = Q T Q^H; d and e are local. */
void PXHETRD(const char *uplo, const int *n, Scalar *a, const int *ia, const int *ja,
             const int *desca, Real *d, Real *e, Scalar *tau, Scalar *work, const int *lwork,
             int *info, size_t);
/* C = Q C. */
void PXUNMTR(const char *side, const char *uplo, const char *trans, const int *m, const int *n,
             const Scalar *a, const int *ia, const int *ja, const int *desca, const Scalar *tau,
             Scalar *c, const int *ic, const int *jc, const int *descc, Scalar *work,
             const int *lwork, int *info, size_t, size_t, size_t);
/* C = beta C + alpha A^H. */
void PXTRANC(const int *m, const int *n, const Scalar *alpha, const Scalar *a, const int *ia,
             const int *ja, const int *desca, const Scalar *beta, Scalar *c, const int *ic,
             const int *jc, const int *descc);
void PBLAS(gemm)(const char *transa, const char *transb, const int *m, const int *n, const int *k,
                 const Scalar *alpha, const Scalar *a, const int *ia, const int *ja,
                 const int *desca, const Scalar *b, const int *ib, const int *jb, const int *descb,
                 const Scalar *beta, Scalar *c, const int *ic, const int *jc, const int *descc);
void RPBLAS(stedc)(const char *compz, const int *n, Real *d, Real *e, Real *q, const int *iq,
                   const int *jq, const int *descq, Real *work, const int *lwork, int *iwork,
                   const int *liwork, int *info, size_t);
void RPBLAS(lared1d)(const int *n, const int *ia, const int *ja, const int *desc, const Real *bycol,
                     Real *byall, Real *work, const int *lwork);
/* C = beta C + alpha A. */
void RPBLAS(geadd)(const char *trans, const int *m, const int *n, const Real *alpha, const Real *a,
                   const int *ia, const int *ja, const int *desca, const Real *beta, Real *c,
                   const int *ic, const int *jc, const int *descc);
/* One triangle of C = beta C + alpha A B^H + conj(alpha) B A^H. */
void PXHER2K(const char *uplo, const char *trans, const int *n, const int *k, const Scalar *alpha,
             const Scalar *a, const int *ia, const int *ja, const int *desca, const Scalar *b,
             const int *ib, const int *jb, const int *descb, const Real *beta, Scalar *c,
             const int *ic, const int *jc, const int *descc);
#endif
