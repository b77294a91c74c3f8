/* The views of `multiplet show`: of a whole result, of one group, of one problem. All print to
 * standard output and return an error only for what cannot be read. */
#ifndef MPT_SHOW_H
#define MPT_SHOW_H

#include "store/view.h"

enum {
  MPT_SHOW_LINES = 40
}; /* more lines of one kind are cut in the middle, unless all are asked for */

mpt_code mpt_show_result(const mpt_view *view, mpt_error *error);
mpt_code mpt_show_group(const mpt_view *view, const mpt_view_group *group, bool all,
                        mpt_error *error);
mpt_code mpt_show_problem(const mpt_view *view, const mpt_view_group *group, int64_t index,
                          bool all, mpt_error *error);

/* A sentence on each kind of output: whether it has a derivative at this spectrum, or these `count`
 * selected eigenvalues of n (-1: unknown), and why. `min_gap` is the stored one, below 0 when none
 * is. */
mpt_code mpt_show_derivatives(const mpt_view *view, int64_t n, int64_t count, const double *w,
                              const int32_t *id, double min_gap, mpt_error *error);

/* Why a problem of this status has no outputs, and how to mend it. */
mpt_code mpt_show_failure(const mpt_view *view, int8_t status, mpt_error *error);

/* Reads the statuses of all problems; the caller frees them. */
mpt_code mpt_show_statuses(const mpt_view *view, const mpt_view_group *group, int8_t **statuses,
                           mpt_error *error);

/* "float64", or what the stored datasets tell of the type; "" when they tell nothing. */
const char *mpt_show_type(const mpt_view_group *group);

/* For each status that occurs and says more than OK: its meaning and the first few indexes. */
void mpt_show_troubles(const mpt_view_group *group, const int8_t *statuses);

/* Whether line k of count is shown; *gap is set on the first of those that are not. */
bool mpt_show_line(int64_t k, int64_t count, bool all, bool *gap);

/* Whether a problem of this status has outputs. */
static inline bool mpt_show_solved(int8_t status) {
  return mpt_status_is_solved(status);
}

#endif
