/* Batches of which some eigenpairs are wanted (mpt_batch.select). */
#ifndef MPT_WHOLE_H
#define MPT_WHOLE_H

#include "engine/engine.h"

/* mpt_process_batch for them; failed problems are left for the caller to zero. The whole spectrum
 * is solved, and the wanted columns are taken out. */
mpt_code mpt_process_whole(const mpt_engine *engine, mpt_state *state, const mpt_team *team,
                           const mpt_options *options, mpt_batch *batch);

/* Which of n ascending eigenvalues are selected: from `first` on, so many. TOO_MANY_IN_RANGE when
 * they do not fit. */
typedef struct mpt_selected {
  int64_t first, found;
} mpt_selected;
mpt_status mpt_find_selected(const mpt_batch *batch, const double *w, mpt_selected *place);

/* Whether selected column j belongs to a multiplet that the selection cuts; id[n] numbers them. */
bool mpt_is_cut(int64_t n, const int32_t *id, const mpt_selected *place, int64_t j);

/* Whether the policy makes something of single eigenvalues' cotangents inside a multiplet, for
 * which the vectors of all of it must be the loss's own: not so of one that is cut. */
bool mpt_needs_basis(const mpt_options *options);

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
