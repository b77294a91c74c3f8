/* Second divided differences of a function on its spectrum, and the contraction of second
 * derivatives with them:
 *
 *   S_ij = sum_k f[w_i, w_k, w_j] (E_ik C_kj + C_ik E_kj),    E and C Hermitian.
 *
 * (Higham, Functions of Matrices, 2008, section 3.2 and problem 3.6.) f[x, y, z] is symmetric. For
 * x <= y <= z it is (f[y, z] - f[x, y]) / (z - x), of first differences that are right at any
 * distance, or, where z - x is a small part of the distance over which f changes, Taylor's series
 * around y. Every kind has a row in second.c that makes the series. */
#ifndef MPT_SECOND_H
#define MPT_SECOND_H

#include "spectral/function.h"

enum { MPT_SECOND_TERMS = 13 };

/* All differences are times 2^-exponent, so that the largest first one is near 1. */
typedef struct mpt_second {
  const mpt_spectral_function *of;
  int exponent;
  double *first;  /* [m, m] f[w_i, w_j] */
  double *length; /* [m] the distance over which f changes, in the argument x, near x_i */
  double *term; /* [m, MPT_SECOND_TERMS] of Taylor's series around x_i, in powers of that length */
  double *row;  /* [3 m] */
} mpt_second;

/* The doubles that mpt_second_start() lays out. */
int64_t mpt_second_memory(int64_t m);

/* MPT_STATUS_OK, or MPT_STATUS_FUNCTION_UNDEFINED where an eigenvalue counts as zero at the end of
 * the domain, or lies within `rounding` of a kink: no second derivative exists there. `of` has been
 * started. */
mpt_status mpt_second_start(const mpt_spectral_function *of, double rounding, double *memory,
                            mpt_second *out);

/* f[w_a, w_b, w_c] for a <= b and all c from b on, into out[c]. */
void mpt_second_row(const mpt_second *second, int64_t a, int64_t b, double *out);

/* A Hermitian m x m matrix, row-major, as real and imaginary parts; im is NULL for a real one. Only
 * the entries on and above the diagonal are read or written. */
typedef struct mpt_planes {
  double *re, *im;
} mpt_planes;

/* Adds S to s, which has to be zero at first. All three are real, or none. O(m^3). */
void mpt_second_contract(const mpt_second *second, const mpt_planes *e, const mpt_planes *c,
                         const mpt_planes *s);

#endif
