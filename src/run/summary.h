/* The lines at the start and at the end of a run. */
#ifndef MPT_SUMMARY_H
#define MPT_SUMMARY_H

#include <mpi.h>
#include "run/worker.h"

enum { MPT_PHASES = 3 }; /* solving, files, waiting */

typedef struct mpt_summary {
  int64_t by_status[MPT_STATUS_COUNT]; /* of all problems; PENDING counts those that are left */
  int64_t refused;                     /* GAUGE_DEPENDENT problems that a policy counts as failed */
  int64_t retried;                     /* problems whose first solution failed its check */
  double elapsed, solve_seconds, io_seconds, wait_seconds;
  double slowest[MPT_PHASES]; /* the largest of each over all ranks */
  int slowest_rank[MPT_PHASES];
  double worst[3]; /* largest gauge violation, cotangent spread and null violation */
  int64_t peak_memory;
  int ranks;
} mpt_summary;

/* Tells one line for each dataset that could be meant and is not used. */
void mpt_tell_unused(const mpt_input *input, void (*tell)(const char *line));

/* Prints, before the first problem is solved, what is not used, the problems, ranks and engines. */
void mpt_announce(const mpt_job *job, const mpt_plan *plan, int8_t *const *statuses, bool continued,
                  int ranks);

/* Adds the statuses that an earlier run left. PENDING problems count as left until the ranks' own
 * counts are subtracted. */
void mpt_count_statuses(const mpt_job *job, int8_t *const *statuses, mpt_summary *summary);

/* Sums over ranks. Collective. */
void mpt_summary_reduce(MPI_Comm comm, mpt_summary *summary);

/* The number of problems that count as failed. */
int64_t mpt_summary_failures(const mpt_summary *summary);

/* Prints one line for each of the first problems that were solved twice. Collective. */
void mpt_tell_retries(MPI_Comm comm, const mpt_job *job, const mpt_plan *plan,
                      const mpt_worker *worker, int64_t retried);

void mpt_summary_print(const mpt_summary *summary);

#endif
