/* What `multiplet check` prints. */
#ifndef MPT_CHECK_REPORT_H
#define MPT_CHECK_REPORT_H

#include "check/check.h"

/* Prints the table of groups, a line for each failure and the verdict to standard output. `samples`
 * is NULL when no gradients were asked for. MPT_SOME_FAILED when not all is within bounds. For rank
 * 0. */
mpt_code mpt_report_check(const mpt_check *check, const mpt_check_samples *samples,
                          mpt_error *error);

#endif
