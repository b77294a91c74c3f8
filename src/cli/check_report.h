/* What `multiplet check` prints. */
#ifndef MPT_CHECK_REPORT_H
#define MPT_CHECK_REPORT_H

#include "check.h"

/* Prints the table of groups, a line for each failure and the verdict to standard output. `samples`
 * is NULL when no gradients were asked for. True when all is within bounds. For rank 0. */
bool mpt_report_check(const mpt_check *check, const mpt_check_samples *samples);

#endif
