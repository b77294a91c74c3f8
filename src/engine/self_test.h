/* What an engine has to show before it is used: one small problem of each type in use. Libraries
 * have been miscompiled, and have chosen kernels of another processor; their results are wrong from
 * the first matrix on, and not always so that a certificate of one problem could name the cause. */
#ifndef MPT_SELF_TEST_H
#define MPT_SELF_TEST_H

#include "engine/engine.h"

/* The first time in this process that an engine works on a type: a 20 x 20 matrix (larger over
 * grids that are larger) with a known spectrum of multiplets, forward and backward, its
 * eigenvalues, multiplets and gradient against closed formulas. An error that names the engine
 * and its library where it fails, then and ever after; MPT_NO_RESOURCE without memory. About a
 * millisecond. Any number of threads may call this. Collective over the team, and
 * agreed. */
mpt_code mpt_self_test(const mpt_engine *engine, mpt_type type, const mpt_team *team,
                       mpt_error *error);

#endif
