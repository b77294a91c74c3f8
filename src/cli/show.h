/* The views of `multiplet show`: a whole result, one group, one problem. All print to standard
 * output and return an error only when something cannot be read. */
#ifndef MPT_SHOW_H
#define MPT_SHOW_H

#include "store/view.h"

enum {
  MPT_SHOW_LINES = 40
}; /* longer lists are cut in the middle, unless all lines are asked for */

mpt_code mpt_show_result(const mpt_view *view, mpt_error *error);
mpt_code mpt_show_group(const mpt_view *view, const mpt_view_group *group, bool all,
                        mpt_error *error);
mpt_code mpt_show_problem(const mpt_view *view, const mpt_view_group *group, int64_t index,
                          bool all, mpt_error *error);

/* Prints for each kind of output whether it has a derivative at this spectrum, or at these `count`
 * selected eigenvalues of n (-1: unknown), and why. `min_gap` is the stored gap, below 0 when none
 * is stored. */
mpt_code mpt_show_derivatives(const mpt_view *view, int64_t n, int64_t count, const double *w,
                              const int32_t *id, double min_gap, mpt_error *error);

/* Prints why a problem with this status has no outputs, and how to mend it. */
mpt_code mpt_show_failure(const mpt_view *view, int8_t status, mpt_error *error);

/* Reads the statuses of all problems; the caller frees them. */
mpt_code mpt_show_statuses(const mpt_view *view, const mpt_view_group *group, int8_t **statuses,
                           mpt_error *error);

/* "float64", or what the stored datasets show of the type; "" when they show nothing. */
const char *mpt_show_type(const mpt_view_group *group);

/* Prints, for each status other than OK that occurs, its meaning and the first few indexes. */
void mpt_show_troubles(const mpt_view_group *group, const int8_t *statuses);

/* Whether line k of `count` is shown; *gap is set at the first line that is not. */
bool mpt_show_line(int64_t k, int64_t count, bool all, bool *gap);

/* Whether a problem with this status has outputs. */
static inline bool mpt_show_solved(int8_t status) {
  return mpt_status_is_solved(status);
}

#endif
