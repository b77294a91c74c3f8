/* Batches of which some eigenpairs are wanted (mpt_batch.select). */
#ifndef MPT_SELECTION_H
#define MPT_SELECTION_H

#include "engine.h"

/* mpt_process_batch for them; failed problems are left for the caller to zero. */
mpt_code mpt_process_selection(const mpt_engine *engine, mpt_state *state, const mpt_team *team,
                               const mpt_options *options, mpt_batch *batch);

#endif
