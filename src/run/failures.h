/* The report on failed problems at the end of a run: how many have each status, the first one of
 * each, and the reason as its files show it. */
#ifndef MPT_FAILURES_H
#define MPT_FAILURES_H

#include <mpi.h>
#include "run/summary.h"

/* Prints a line for each status. Collective. */
void mpt_tell_failures(MPI_Comm comm, const mpt_job *job, const mpt_worker *worker,
                       const mpt_summary *summary);

#endif
