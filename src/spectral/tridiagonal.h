/* Linear equations with a real symmetric tridiagonal T, as they stand between the two halves of a
 * backward pass through some of n eigenpairs. */
#ifndef MPT_TRIDIAGONAL_H
#define MPT_TRIDIAGONAL_H

#include "base.h"

/* y = -(T - shift I)^{-1} c in place of c, by elimination with row interchanges (as LAPACK's
 * ?gttrf) and one step of refinement. d[n] and e[n - 1] are T's, y has n elements of `parts` (1:
 * real, 2: Re and Im) doubles. A pivot below `tiny` > 0 becomes `tiny`: where the shift is an
 * eigenvalue of T, y gets some of its eigenvectors added, which the caller takes out. memory:
 * MPT_TRIDIAGONAL_MEMORY n doubles. */
enum { MPT_TRIDIAGONAL_MEMORY = 8 };
void mpt_solve_tridiagonal(int64_t n, const double *d, const double *e, double shift, double tiny,
                           int parts, double *y, double *memory);

#endif
