/* The handler of chemical potentials: operands "Cwrr", results "rCCrmd". */
#ifndef MPT_JAX_POTENTIAL_H
#define MPT_JAX_POTENTIAL_H

#include "jax/call.h"

/* Of each set of levels C [n, columns], n matrices with weights w [n] that share one mu, and of its
 * width (beta or sigma) r and its electrons r: mu, the occupations and the response d mu / dw
 * [n, columns], and S = sum weights df/dw (mpt_occupations), whose arithmetic is double also where
 * the arrays are float. The attributes are those of an mpt_function.
 *
 * A set without an answer is MPT_STATUS_FUNCTION_UNDEFINED, or with a level that is not finite
 * MPT_STATUS_NONFINITE_INPUT, and all zeros. MPT_NO_RESOURCE without memory. */
mpt_code mpt_jax_occupations(mpt_jax_call *call);

#endif
