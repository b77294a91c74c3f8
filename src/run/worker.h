/* One rank's part in a job: memory for one dataset at a time, and a unit's way through it: read,
 * solve and differentiate, write. */
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

/* Problems of a dataset are fewer. */
#define MPT_PLACES (INT64_C(1) << 40)

typedef struct mpt_worker {
  const mpt_job *job;
  const mpt_plan *plan;
  mpt_result *result;
  mpt_cache *cache;             /* NULL: none */
  mpt_cached *caching;          /* takes what this job's units give, or NULL */
  const mpt_cached *recalled;   /* has the eigenpairs of some units, or NULL: on all ranks alike */
  const mpt_cache_entry *entry; /* of the unit in hand, or NULL */
  int64_t dataset;              /* that the memory is for; -1: none */
  mpt_team team;
  mpt_state *state;
  mpt_batch batch;
  struct mpt_array *arrays; /* the batch's */
  int64_t array_count, array_capacity;
  double *column; /* one diagnostic of a chunk */
  int64_t by_status[MPT_STATUS_COUNT], refused, retried;
  int64_t first[MPT_STATUS_COUNT];    /* dataset * MPT_PLACES + problem; INT64_MAX: none */
  mpt_retried told[MPT_RETRIES_TOLD]; /* the first of `retried` */
  double worst[2]; /* largest gauge violation of a GAUGE_DEPENDENT problem, cotangent spread */
  double solve_seconds, io_seconds;
  double started; /* the solution of the unit in hand, in seconds since 1970 */
  int rank;       /* of the job */
} mpt_worker;

void mpt_worker_open(mpt_worker *worker, const mpt_job *job, const mpt_plan *plan,
                     mpt_result *result);
void mpt_worker_close(mpt_worker *worker);

/* Does one unit. Collective over the team and agreed: all of its ranks fail, or none. */
mpt_code mpt_worker_do(mpt_worker *worker, const mpt_unit *unit, const mpt_team *team,
                       mpt_error *error);

/* Its three parts, likewise. */
mpt_code mpt_worker_read(mpt_worker *worker, const mpt_unit *unit, const mpt_team *team,
                         mpt_error *error);
mpt_code mpt_worker_solve(mpt_worker *worker, mpt_error *error);
mpt_code mpt_worker_write(mpt_worker *worker, const mpt_unit *unit, mpt_error *error);

/* Memory for a dataset's units, as mpt_worker_read() takes it. Collective over the team. */
mpt_code mpt_worker_prepare(mpt_worker *worker, int64_t dataset, const mpt_team *team,
                            mpt_error *error);

#endif
