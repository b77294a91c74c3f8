/* Which eigenpairs of a spectrum a batch wants (mpt_batch.select), and which multiplets the
 * selection cuts. */
#ifndef MPT_SELECTED_H
#define MPT_SELECTED_H

#include "engine/batch.h"
#include "engine/team.h"

/* The selected ones of n ascending eigenvalues: `found` of them from `first` on. TOO_MANY_IN_RANGE
 * when they do not fit. */
typedef struct mpt_selected {
  int64_t first, found;
} mpt_selected;
mpt_status mpt_find_selected(const mpt_batch *batch, const double *w, mpt_selected *place);

/* Whether selected column j belongs to a multiplet that the selection cuts; id[n] numbers them. */
bool mpt_is_cut(int64_t n, const int32_t *id, const mpt_selected *place, int64_t j);

/* Whether the loss depends on a column of a cut multiplet, by its eigenvalue (`values`) or its
 * vector (`vectors`). Collective. */
bool mpt_sees_cut(const mpt_team *team, const mpt_batch *batch, int64_t k, const int32_t *id,
                  const mpt_selected *place, bool values, bool vectors);

/* mpt_min_gap among the selected eigenvalues and, at the ends, to their neighbours outside. */
double mpt_selected_gap(int64_t n, const double *w, const int32_t *id, const mpt_selected *place);

/* Copies the first `count` columns of `rows` rows between arrays that are `from_width` and
 * `to_width` elements wide. */
void mpt_copy_columns(int64_t rows, int64_t count, size_t size, const void *from,
                      int64_t from_width, void *to, int64_t to_width);

#endif
