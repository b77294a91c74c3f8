/* Which eigenpairs of a spectrum a batch wants (mpt_batch.select), and which multiplets that cuts.
 */
#ifndef MPT_SELECTED_H
#define MPT_SELECTED_H

#include "engine/batch.h"
#include "engine/team.h"

/* Which of n ascending eigenvalues are selected: from `first` on, so many. TOO_MANY_IN_RANGE when
 * they do not fit. */
typedef struct mpt_selected {
  int64_t first, found;
} mpt_selected;
mpt_status mpt_find_selected(const mpt_batch *batch, const double *w, mpt_selected *place);

/* Whether selected column j belongs to a multiplet that the selection cuts; id[n] numbers them. */
bool mpt_is_cut(int64_t n, const int32_t *id, const mpt_selected *place, int64_t j);

/* Whether the loss sees such a one, by its eigenvalue or its vector, as asked. Collective. */
bool mpt_sees_cut(const mpt_team *team, const mpt_batch *batch, int64_t k, const int32_t *id,
                  const mpt_selected *place, bool values, bool vectors);

/* mpt_min_gap among the selected, and at the ends to what is next. */
double mpt_selected_gap(int64_t n, const double *w, const int32_t *id, const mpt_selected *place);

/* Copies `count` of the columns of `rows` rows between arrays that are `from_width` and `to_width`
 * elements wide. */
void mpt_copy_columns(int64_t rows, int64_t count, size_t size, const void *from,
                      int64_t from_width, void *to, int64_t to_width);

#endif
