/* What run.c and recall.c share. Private to them. */
#ifndef MPT_RUN_STATE_H
#define MPT_RUN_STATE_H

#include "run/counter.h"
#include "run/progress.h"
#include "run/run.h"
#include "run/worker.h"

/* The state of a job during its run. */
typedef struct mpt_run {
  MPI_Comm comm;
  int rank, size;
  mpt_job job;
  char fingerprint[17], result_id[17];
  mpt_plan plan;
  mpt_schedule schedule;
  int8_t **statuses; /* [datasets] of [problems], as found in the result file */
  mpt_result *result;
  mpt_worker worker;
  mpt_cache *cache;     /* NULL: no result is kept */
  mpt_cached *recalled; /* the eigenpairs in memory; NULL: not on all ranks */
  mpt_identity input;   /* rank 0's, and so are the next two members */
  bool input_settled;
  bool continued;       /* an earlier run did a part of the job */
  bool caches, recalls; /* the result is kept; each rank differentiates what it has solved */
  mpt_counter counter;
  mpt_progress progress;
  double begun, wait_seconds;
  int64_t left; /* problems that are PENDING at the end */
  bool counting;
} mpt_run;

#endif
