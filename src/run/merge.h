/* Small jobs of one rank as one batch: their matrices, where they are of one kind, fill the lanes
 * that each would leave empty. */
#ifndef MPT_TOGETHER_H
#define MPT_TOGETHER_H

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
void mpt_do_together(mpt_member *members, int count);

#endif
