/* Linear equations with a real symmetric tridiagonal T, as needed between the two halves of a
 * backward pass through some of n eigenpairs. */
#ifndef MPT_TRIDIAGONAL_H
#define MPT_TRIDIAGONAL_H

#include "base/base.h"

/* Replaces c by y = -(T - shift I)^+ c, where the shift may be an eigenvalue of T. d[n] and e[n -
 * 1] are T's; y has n elements of `parts` doubles (1: real, 2: Re and Im).
 *
 * The equations solved are those of Re (T - shift - i blur)^{-1}, by elimination with row
 * interchanges (as in LAPACK's ?gttrf) and one step of refinement. Eigenvectors within `blur` > 0
 * of the shift are kept out, however many they are and however T decouples; others, at a distance
 * `gap`, come out right to (blur / gap)^4. memory: MPT_TRIDIAGONAL_MEMORY n doubles. */
enum { MPT_TRIDIAGONAL_MEMORY = 12 };
void mpt_solve_tridiagonal(int64_t n, const double *d, const double *e, double shift, double blur,
                           int parts, double *y, double *memory);

#endif
