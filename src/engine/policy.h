/* How options turn findings into statuses and diagnostics. Nothing here is collective. */
#ifndef MPT_POLICY_H
#define MPT_POLICY_H

#include "engine/batch.h"

/* How far apart neighbours in a multiplet may be, relative to ||A||. */
double mpt_tolerance(const mpt_options *options, const mpt_batch *batch);

/* Fills in what a gradient's report says about it, and sets the status under the policies. */
void mpt_settle_gradient(const mpt_options *options, const mpt_finding *found, mpt_report *report);

/* What null_violation says becomes the status, unless it is a failure or the gauge comes first. */
void mpt_settle_null_space(mpt_type type, mpt_report *report);

/* Whether the policy uses cotangents of single eigenvalues inside a multiplet. For these the
 * eigenvectors of the whole multiplet must be the loss's own, which those of a cut multiplet are
 * not. */
bool mpt_needs_basis(const mpt_options *options);

#endif
