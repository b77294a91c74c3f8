/* Small jobs of one rank as one batch: their matrices, where they are of one kind, fill the lanes
 * that each would leave empty. */
#ifndef MPT_MERGE_H
#define MPT_MERGE_H

#include "run/worker.h"

/* A job's only unit. */
typedef struct mpt_member {
  mpt_worker *worker;
  mpt_unit unit;
  mpt_code code; /* what became of it */
  mpt_error *error;
} mpt_member;

/* Reads, solves and writes the units of all members whose code is MPT_DONE. A failure is its
 * member's alone. */
void mpt_merge(mpt_member *members, int count);

#endif
