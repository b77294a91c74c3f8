/* Checks before and after a solution that need a matrix's slabs on all ranks of a team. */
#ifndef MPT_CERTIFICATE_H
#define MPT_CERTIFICATE_H

#include "engine/engine.h"

/* Adds x to a sum whose rounding errors go into `rest`. */
static inline void mpt_add_exactly(double x, double *sum, double *rest) {
  double low;
  *sum = mpt_two_sum(*sum, x, &low);
  *rest += low;
}

/* Sets the status of problems that hold NaN or infinity, or are not Hermitian to 100 n eps max|A|
 * under triangle FULL; otherwise fills in the triangle that is not read, or averages the two.
 * Collective. */
void mpt_check_input(const mpt_team *team, mpt_triangle triangle, mpt_batch *batch);

/* Beyond this many units of n eps ||A|| a solution counts as failed. A probe of random signs x
 * meets every column of what ought to be zero, R = A V - V diag(w) or V^H V - 1, with full weight:
 * ||R x|| is about ||R||_F, and hardly less than the norm of any one column. So the bound is on
 * ||R x|| as it is, not divided by ||x||, and holds for each column alone in matrices of any size:
 * one that is off by twice as much is found whatever the others are, which in sound solutions come
 * to less than 5 together for n <= 5, to 1 or 2 from n = 16 on. LAPACK's own tests warn at 30. */
enum { MPT_CERTIFICATE_BOUND = 50 };

/* Residual and orthogonality of problem k's eigenpairs, all or selected ones, in units of n eps
 * ||A|| and n eps, the larger of two random probes, into its report; whether they are small enough.
 * `norm` is ||A|| by the eigenvalues; the matrix's own size counts if larger, since the eigenvalues
 * are under test. Collective. */
bool mpt_certify(const mpt_team *team, mpt_batch *batch, int64_t k, double norm);

/* Of all n eigenvalues without vectors: whether they add up to the trace of matrix k, and their
 * squares to its squared Frobenius norm, within as many units of n eps ||A|| and n eps ||A||^2.
 * Collective. */
bool mpt_certify_values(const mpt_team *team, const mpt_batch *batch, int64_t k, const double *w);

#endif
