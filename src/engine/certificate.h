/* Checks before and after a solution that need a matrix's slabs on all ranks of a team. */
#ifndef MPT_CERTIFICATE_H
#define MPT_CERTIFICATE_H

#include "engine.h"

/* Sets the status of problems that hold NaN or infinity, or are not Hermitian to 100 n eps max|A|
 * under triangle FULL; fills in the triangle that is not read otherwise. Collective. */
void mpt_check_input(const mpt_team *team, mpt_triangle triangle, mpt_batch *batch);

/* Residual and orthogonality of problem k's eigenpairs, all or selected ones, in units of n eps
 * ||A|| and n eps, the larger of two random probes; `norm` is ||A||. Collective. */
void mpt_certify(const mpt_team *team, mpt_batch *batch, int64_t k, double norm);

/* Whether they are small enough for a solution to be one. */
bool mpt_is_certified(const mpt_report *report);

#endif
