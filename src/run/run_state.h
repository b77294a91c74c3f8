/* What run.c and recall.c share. Private to them. */
#ifndef MPT_RUN_STATE_H
#define MPT_RUN_STATE_H

#include "run/counter.h"
#include "run/progress.h"
#include "run/run.h"
#include "run/worker.h"

/* A job in the course of its run. */
typedef struct mpt_run {
  MPI_Comm comm;
  int rank, size;
  mpt_job job;
  char fingerprint[17], result_id[17];
  mpt_plan plan;
  mpt_schedule schedule;
  int8_t **statuses; /* [datasets] as found, [problems] */
  mpt_result *result;
  mpt_worker worker;
  mpt_cache *cache;     /* NULL: no result is kept */
  mpt_cached *recalled; /* the eigenpairs, in memory; NULL: not on all ranks */
  mpt_identity input;   /* rank 0's, as its two neighbours */
  bool input_settled;
  bool continued;       /* an earlier run did a part of it */
  bool caches, recalls; /* this result is kept; each rank differentiates what it has solved */
  mpt_counter counter;
  mpt_progress progress;
  double begun, wait_seconds;
  int64_t left; /* problems that are still PENDING at the end */
  bool counting;
} mpt_run;

#endif
