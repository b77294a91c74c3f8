/* A batch's way through an engine, the same for all engines: checks before the solution,
 * certificate and multiplets after it, outputs, and a second solution where the first one failed.
 */
#ifndef MPT_PROCESS_H
#define MPT_PROCESS_H

#include "engine/engine.h"

/* Solves a batch (or takes its eigenpairs as given) and differentiates it, with all checks.
 * Collective over the team. The call itself never fails: errors are in each problem's report. */
void mpt_process_batch(const mpt_engine *engine, mpt_state *state, const mpt_team *team,
                       const mpt_options *options, mpt_batch *batch);

/* Whether the batch's selected pairs are computed without the others. Functions, frames and
 * directions need the whole spectrum. */
bool mpt_is_reduced(const mpt_engine *engine, const mpt_batch *batch);

#endif
