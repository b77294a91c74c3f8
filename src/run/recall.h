/* The service's results in memory, in the course of a run: what is found there, and what goes
 * there. All is collective. */
#ifndef MPT_RECALL_H
#define MPT_RECALL_H

#include "run/run_state.h"

/* Once the inputs are open: the eigenpairs, where all ranks have them, and whether this result will
 * be kept. */
void mpt_find_memory(mpt_run *run);

/* Once there is a schedule: whether each rank differentiates what it has solved. */
void mpt_open_memory(mpt_run *run);

/* With the worker open. */
void mpt_begin_memory(mpt_run *run);

/* The result is kept as soon as it is complete. */
void mpt_close_memory(mpt_run *run, bool complete);

#endif
