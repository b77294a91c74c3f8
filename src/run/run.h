/* Running a loaded job. */
#ifndef MPT_RUN_H
#define MPT_RUN_H

#include <mpi.h>
#include "config/config.h"
#include "run/cache.h"
#include "run/summary.h"

/* mpt_run_job for a config that every rank has loaded; takes it over. Eigenpairs are found in
 * `cache` and stored there, unless it is NULL. *summary (may be NULL) gets the numbers of the
 * closing lines, on every rank. The caller catches signals: see run/stop.h. Collective. */
mpt_code mpt_run_config(MPI_Comm comm, mpt_config *config, bool fresh, mpt_cache *cache,
                        mpt_summary *summary, mpt_error *error);

/* One of several jobs, and its outcome. */
typedef struct mpt_job_run {
  mpt_config config; /* taken over */
  mpt_code code;     /* MPT_DONE at first; a job with another code is not run */
  mpt_summary summary;
  mpt_error error;
} mpt_job_run;

/* Runs several small jobs on this rank alone, those of one kind as one batch. A failure of one does
 * not affect the others. */
void mpt_run_merged(mpt_job_run *const *jobs, int count, mpt_cache *cache);

/* The share of free memory that one of `ranks_on_node` ranks may plan with. */
int64_t mpt_memory_share(int ranks_on_node);

/* The smallest share of all ranks. Collective. */
int64_t mpt_agree_on_memory(MPI_Comm comm);

#endif
