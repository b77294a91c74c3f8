/* Checks before and after a solution. They need the slabs of a matrix on all ranks of a team. */
#ifndef MPT_CERTIFICATE_H
#define MPT_CERTIFICATE_H

#include "engine/engine.h"

/* Adds x to a sum; `rest` collects the rounding errors. */
static inline void mpt_add_exactly(double x, double *sum, double *rest) {
  double low;
  *sum = mpt_two_sum(*sum, x, &low);
  *rest += low;
}

/* Sets the status of problems that contain NaN or infinity or, under triangle FULL, are not
 * Hermitian to 100 n eps max|A|. Otherwise fills in the triangle that is not read, or averages the
 * two. Collective. */
void mpt_check_input(const mpt_team *team, mpt_triangle triangle, mpt_batch *batch);

/* A solution fails if a probe gives more than this many units of n eps ||A||. A probe multiplies R
 * = A V - V diag(w) or R = V^H V - 1, which ought to be zero, by random signs x. Every column of R
 * enters with full weight, so ||R x|| is about ||R||_F and hardly less than the norm of any one
 * column. The bound is therefore on ||R x|| itself, not divided by ||x||, and holds for each column
 * alone in matrices of any size: a column that is off by twice the bound is found whatever the
 * others are. In sound solutions all columns together come to less than 5 for n <= 5, and to 1 or 2
 * from n = 16 on. LAPACK's own tests warn at 30. */
enum { MPT_CERTIFICATE_BOUND = 50 };

/* Writes residual and orthogonality of problem k's eigenpairs, all or selected ones, into its
 * report, in units of n eps ||A|| and n eps, as the larger result of two random probes. Returns
 * whether they are small enough. `norm` is ||A|| from the eigenvalues; the matrix's own size counts
 * if it is larger, since the eigenvalues are under test. Collective. */
bool mpt_certify(const mpt_team *team, mpt_batch *batch, int64_t k, double norm);

/* Checks all n eigenvalues when there are no vectors: whether they add up to the trace of matrix k,
 * and their squares to its squared Frobenius norm, within as many units of n eps ||A|| and n eps
 * ||A||^2. Collective. */
bool mpt_certify_values(const mpt_team *team, const mpt_batch *batch, int64_t k, const double *w);

#endif
