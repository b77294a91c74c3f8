/* What is said of failed problems at the end of a run: how many of each status, which was the
 * first, and what its files tell of why. */
#ifndef MPT_FAILURES_H
#define MPT_FAILURES_H

#include <mpi.h>
#include "run/summary.h"

/* A line for each status. Collective. */
void mpt_tell_failures(MPI_Comm comm, const mpt_job *job, const mpt_worker *worker,
                       const mpt_summary *summary);

#endif
