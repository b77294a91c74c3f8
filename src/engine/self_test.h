/* What an engine must solve correctly before it is used: one small problem of each type in use.
 * Libraries have been miscompiled, and have chosen kernels of another processor. Their results are
 * wrong from the first matrix on, and a certificate of one problem cannot always name the cause. */
#ifndef MPT_SELF_TEST_H
#define MPT_SELF_TEST_H

#include "engine/engine.h"

/* The test runs the first time in this process that an engine works on a type. It solves and
 * differentiates a 20 x 20 matrix (larger on larger grids) with a known spectrum of multiplets, and
 * compares its eigenvalues, multiplets and gradient with closed formulas. If it fails, this call
 * and every later one return an error that names the engine and its library; MPT_NO_RESOURCE if
 * memory runs out. It takes about a millisecond. Any number of threads may call this. Collective
 * over the team, and agreed. */
mpt_code mpt_self_test(const mpt_engine *engine, mpt_type type, const mpt_team *team,
                       mpt_error *error);

#endif
