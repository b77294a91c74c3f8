/* The service's results in memory during a run: finding eigenpairs there and storing new ones. All
 * of it is collective. */
#ifndef MPT_RECALL_H
#define MPT_RECALL_H

#include "run/run_state.h"

/* Call with the inputs open. Finds the eigenpairs, if all ranks have them, and decides whether this
 * result will be kept. */
void mpt_find_memory(mpt_run *run);

/* Call with the schedule made. Decides whether each rank differentiates the problems that it has
 * solved. */
void mpt_open_memory(mpt_run *run);

/* Call with the worker open. */
void mpt_begin_memory(mpt_run *run);

/* Keeps the result if it is complete. */
void mpt_close_memory(mpt_run *run, bool complete);

#endif
