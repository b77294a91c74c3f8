/* A second solution of problems whose first one failed its check, by the reference. */
#ifndef MPT_RETRY_H
#define MPT_RETRY_H

#include "engine/engine.h"

/* Whether the first solution of a problem is to blame, and not the problem. */
bool mpt_is_worth_retrying(const mpt_report *report);

/* Solves each problem of a batch that is worth it again, by lapack on the team's first rank, which
 * gets all of the matrix, its cotangents and what else goes in, and gives all ranks what comes out.
 * Sets `retried` where that went well; a problem that does not fit into half of the memory that
 * rank still has keeps its status. Collective. */
void mpt_retry(const mpt_team *team, const mpt_options *options, mpt_batch *batch);

/* After a second solution: that there was one, and what the first had failed, into `report`. */
void mpt_note_retry(const mpt_report *first, int64_t n, bool vectors, mpt_report *report);

#endif
