/* One rank's part in a job: memory for one dataset at a time, and the steps of a unit: read, solve
 * and differentiate, write. */
#ifndef MPT_WORKER_H
#define MPT_WORKER_H

#include "run/job.h"
#include "run/cache.h"

enum { MPT_RETRIES_TOLD = 8 };

/* A problem that was solved twice. */
typedef struct mpt_retried {
  int64_t dataset, problem;
  int32_t failed, decade; /* mpt_report.first_failed, first_decade */
} mpt_retried;

/* More than the number of problems of any dataset. */
#define MPT_PLACES (INT64_C(1) << 40)

typedef struct mpt_worker {
  const mpt_job *job;
  const mpt_plan *plan;
  mpt_result *result;
  mpt_cache *cache;           /* NULL: none */
  mpt_cached *caching;        /* where this job's results are kept; NULL: not kept */
  const mpt_cached *recalled; /* has the eigenpairs of some units; NULL: none, on all ranks alike */
  const mpt_cache_entry *entry; /* of the unit in hand, or NULL */
  int64_t dataset;              /* which the memory is for; -1: none */
  mpt_team team;
  mpt_state *state;
  mpt_batch batch;
  struct mpt_array *arrays; /* the batch's */
  int64_t array_count, array_capacity;
  double *column; /* one diagnostic of a chunk */
  int64_t by_status[MPT_STATUS_COUNT], refused, retried;
  int64_t first[MPT_STATUS_COUNT];    /* dataset * MPT_PLACES + problem; INT64_MAX: none */
  mpt_retried told[MPT_RETRIES_TOLD]; /* the first ones */
  double worst[3]; /* largest gauge violation of a GAUGE_DEPENDENT problem, cotangent spread, null
                      violation */
  double solve_seconds, io_seconds;
  double started; /* start of the solution of the unit in hand, in seconds since 1970 */
  int rank;       /* in the job */
} mpt_worker;

void mpt_worker_open(mpt_worker *worker, const mpt_job *job, const mpt_plan *plan,
                     mpt_result *result);
void mpt_worker_close(mpt_worker *worker);

/* Does one unit. Collective over the team and agreed: either all of its ranks fail or none. */
mpt_code mpt_worker_do(mpt_worker *worker, const mpt_unit *unit, const mpt_team *team,
                       mpt_error *error);

/* The three steps of a unit, also collective and agreed. */
mpt_code mpt_worker_read(mpt_worker *worker, const mpt_unit *unit, const mpt_team *team,
                         mpt_error *error);
mpt_code mpt_worker_solve(mpt_worker *worker, mpt_error *error);
mpt_code mpt_worker_write(mpt_worker *worker, const mpt_unit *unit, mpt_error *error);

/* Allocates memory for a dataset's units, as mpt_worker_read() needs it. Collective over the
 * team. */
mpt_code mpt_worker_prepare(mpt_worker *worker, int64_t dataset, const mpt_team *team,
                            mpt_error *error);

#endif
