/* What options make of what was found. Nothing here is collective. */
#ifndef MPT_POLICY_H
#define MPT_POLICY_H

#include "engine/batch.h"

/* How far apart neighbours in a multiplet may be, relative to ||A||. */
double mpt_tolerance(const mpt_options *options, const mpt_batch *batch);

/* What a gradient's report says of it, and the status under the policies. */
void mpt_settle_gradient(const mpt_options *options, const mpt_finding *found, mpt_report *report);

/* Whether the policy makes something of single eigenvalues' cotangents inside a multiplet, for
 * which the vectors of all of it must be the loss's own: not so of one that is cut. */
bool mpt_needs_basis(const mpt_options *options);

#endif
