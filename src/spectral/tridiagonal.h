/* Linear equations with a real symmetric tridiagonal T, as they stand between the two halves of a
 * backward pass through some of n eigenpairs. */
#ifndef MPT_TRIDIAGONAL_H
#define MPT_TRIDIAGONAL_H

#include "base/base.h"

/* y = -(T - shift I)^+ c in place of c, where the shift may be an eigenvalue of T. d[n] and e[n -
 * 1] are T's; y has n elements of `parts` (1: real, 2: Re and Im) doubles.
 *
 * What is solved is Re (T - shift - i blur)^{-1}, by elimination with row interchanges (as LAPACK's
 * ?gttrf), and one step of refinement: eigenvectors within `blur` > 0 of the shift are kept out,
 * however many they are and however T falls apart, and others at a distance `gap` come right to
 * (blur / gap)^4. memory: MPT_TRIDIAGONAL_MEMORY n doubles. */
enum { MPT_TRIDIAGONAL_MEMORY = 12 };
void mpt_solve_tridiagonal(int64_t n, const double *d, const double *e, double shift, double blur,
                           int parts, double *y, double *memory);

#endif
