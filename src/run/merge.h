/* Solves small jobs of one rank as one batch. Matrices of one kind share vectors, so that lanes
 * that a job alone would leave empty are filled. */
#ifndef MPT_MERGE_H
#define MPT_MERGE_H

#include "run/worker.h"

/* A member: a job with one unit. */
typedef struct mpt_member {
  mpt_worker *worker;
  mpt_unit unit;
  mpt_code code; /* the job's outcome */
  mpt_error *error;
} mpt_member;

/* Reads, solves and writes the units of all members whose code is MPT_DONE. A failure of one member
 * does not affect the others. */
void mpt_merge(mpt_member *members, int count);

#endif
