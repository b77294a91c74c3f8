/* Included once per scalar type by test_products.c: the functions that the linker's --wrap puts in
 * place of products. */
#define WRAPPED(x) MPT_PASTE(__wrap_, LETTER, x##_)
#define REAL(x) MPT_PASTE(__real_, LETTER, x##_)
#define WRAPPED_P(x) MPT_PASTE(__wrap_p, LETTER, x##_)
#define REAL_P(x) MPT_PASTE(__real_p, LETTER, x##_)

void REAL(gemm)(const char *, const char *, const int *, const int *, const int *, const void *,
                const void *, const int *, const void *, const int *, const void *, void *,
                const int *, size_t, size_t);
MPT_API void WRAPPED(gemm)(const char *, const char *, const int *, const int *, const int *,
                           const void *, const void *, const int *, const void *, const int *,
                           const void *, void *, const int *, size_t, size_t);
void REAL_P(gemm)(const char *, const char *, const int *, const int *, const int *, const void *,
                  const void *, const int *, const int *, const int *, const void *, const int *,
                  const int *, const int *, const void *, void *, const int *, const int *,
                  const int *);
MPT_API void WRAPPED_P(gemm)(const char *, const char *, const int *, const int *, const int *,
                             const void *, const void *, const int *, const int *, const int *,
                             const void *, const int *, const int *, const int *, const void *,
                             void *, const int *, const int *, const int *);

void WRAPPED(gemm)(const char *ta, const char *tb, const int *m, const int *n, const int *k,
                   const void *alpha, const void *a, const int *lda, const void *b, const int *ldb,
                   const void *beta, void *c, const int *ldc, size_t la, size_t lb) {
  REAL(gemm)(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc, la, lb);
  spoil(TYPE, *m, *n, c, *ldc);
}

/* Spoils an element of the first column of the local part on the first rank, which begins with the
 * first element of the matrix. */
void WRAPPED_P(gemm)(const char *ta, const char *tb, const int *m, const int *n, const int *k,
                     const void *alpha, const void *a, const int *ia, const int *ja,
                     const int *desca, const void *b, const int *ib, const int *jb,
                     const int *descb, const void *beta, void *c, const int *ic, const int *jc,
                     const int *descc) {
  int rank;
  REAL_P(gemm)
  (ta, tb, m, n, k, alpha, a, ia, ja, desca, b, ib, jb, descb, beta, c, ic, jc, descc);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  spoil(TYPE, rank == 0 && *ic == 1 && *jc == 1 ? descc[8] : 0, 1, c, 1);
}

#undef WRAPPED
#undef REAL
#undef WRAPPED_P
#undef REAL_P
