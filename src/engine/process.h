/* A batch's way through an engine, the same for all engines: checks before, certificate and
 * multiplets after, outputs, a second solution where the first was none. */
#ifndef MPT_PROCESS_H
#define MPT_PROCESS_H

#include "engine/engine.h"

/* Solves (or takes as given) and differentiates a batch, with all checks. Collective over the team;
 * never fails as a call: what goes wrong is in each problem's report. */
void mpt_process_batch(const mpt_engine *engine, mpt_state *state, const mpt_team *team,
                       const mpt_options *options, mpt_batch *batch);

#endif
