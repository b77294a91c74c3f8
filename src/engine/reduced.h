/* Selections by an engine that can leave out the other eigenpairs (mpt_engine.reduced). */
#ifndef MPT_REDUCED_H
#define MPT_REDUCED_H

#include "engine/engine.h"

/* mpt_process_batch for a batch without functions, frame and direction. The caller zeroes failed
 * problems. */
mpt_code mpt_process_reduced(const mpt_engine *engine, mpt_state *state, const mpt_team *team,
                             const mpt_options *options, mpt_batch *batch);

#endif
