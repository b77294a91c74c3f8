/* Matrices with known spectra, in long double and by closed formulas: the reference with which the
 * engines are compared. Nothing here calls BLAS, LAPACK or the code under test. */
#ifndef TEST_MATRICES_H
#define TEST_MATRICES_H

#include <complex.h>
#include <multiplet/types.h>
#include <stdbool.h>
#include <stdint.h>

typedef long double _Complex wide;

/* A uniform number in [-1, 1); the sequence depends only on the state. */
long double random_number(uint64_t *state);

/* A random number of the type: real, or with real and imaginary part. */
wide random_element(uint64_t *state, bool is_complex);

/* m = Q m Q^H, and m = Q m, for the unitary Q of this seed: a product of Householder reflectors. */
void rotate_similarly(int64_t n, bool is_complex, uint64_t seed, wide *m);
void rotate_left(int64_t n, bool is_complex, uint64_t seed, wide *m);

/* A random Hermitian matrix with elements in [-1, 1]. */
void fill_hermitian(int64_t n, bool is_complex, uint64_t seed, wide *m);

/* out = a b, out = a^H b, in plain loops. out must differ from a and b. */
void multiply(int64_t n, const wide *a, const wide *b, wide *out);
void multiply_adjoint(int64_t n, const wide *a, const wide *b, wide *out);

/* Row-major, n x n. w holds the eigenvalues in ascending order, if a closed form gives them. */
typedef struct matrix {
  int64_t n;
  wide *a;
  long double *w;
  bool known;
} matrix;

int matrix_kinds(void);
const char *matrix_kind_name(int kind);
int matrix_kind_named(const char *name);
matrix matrix_make(int kind, mpt_type type, int64_t n);

/* Q diag(w) Q^H for the Q of this seed. */
matrix matrix_with_spectrum(mpt_type type, int64_t n, const long double *w, uint64_t seed);
void matrix_free(matrix *m);

/* The number of eigenvalues below sigma: negative pivots of A - sigma (Sylvester). */
int64_t eigenvalues_below(const matrix *m, long double sigma);

#endif
