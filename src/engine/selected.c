#include "engine/selected.h"

#include <string.h>

void mpt_copy_columns(int64_t rows, int64_t count, size_t size, const void *from,
                      int64_t from_width, void *to, int64_t to_width) {
  for (int64_t i = 0; i < rows; i++)
    memcpy((char *)to + (size_t)(i * to_width) * size,
           (const char *)from + (size_t)(i * from_width) * size, (size_t)count * size);
}

mpt_status mpt_find_selected(const mpt_batch *b, const double *w, mpt_selected *place) {
  const mpt_select *select = &b->select;
  const int64_t n = b->n, m = mpt_batch_columns(b);
  int64_t first = 0, stop = m;
  switch (select->kind) {
  case MPT_SELECT_HIGHEST:
    first = n - m;
    stop = n;
    break;
  case MPT_SELECT_INDEX:
    first = select->index[0] < n ? select->index[0] : n;
    stop = first + m;
    break;
  case MPT_SELECT_RANGE:
    while (first < n && w[first] < select->range[0]) first++;
    for (stop = first; stop < n && w[stop] < select->range[1];) stop++;
    break;
  case MPT_SELECT_ALL:
  case MPT_SELECT_LOWEST:
    break;
  }
  place->first = first;
  place->found = stop - first;
  return stop - first > m ? MPT_STATUS_TOO_MANY_IN_RANGE : MPT_STATUS_OK;
}

bool mpt_is_cut(int64_t n, const int32_t *id, const mpt_selected *p, int64_t j) {
  const int64_t first = p->first, stop = first + p->found;
  return (first > 0 && id[first - 1] == id[first + j]) || (stop < n && id[stop] == id[first + j]);
}

static bool is_zero(mpt_type type, const void *array, int64_t at) {
  double x[2];
  mpt_get_element(type, array, at, x);
  return x[0] == 0 && x[1] == 0;
}

bool mpt_sees_cut(const mpt_team *team, const mpt_batch *b, int64_t k, const int32_t *id,
                  const mpt_selected *place, bool values, bool vectors) {
  const mpt_type real = mpt_real_size(b->type) == 4 ? MPT_FLOAT32 : MPT_FLOAT64;
  const int64_t m = mpt_batch_columns(b);
  const void *gw = values ? mpt_part_of(b->gw, k, m, mpt_real_size(b->type)) : NULL;
  const void *gv = vectors ? mpt_part_of(b->gv, k, b->rows * m, mpt_type_size(b->type)) : NULL;
  int any = 0;
  for (int64_t j = 0; j < place->found; j++) {
    if (!mpt_is_cut(b->n, id, place, j)) continue;
    any |= gw && !is_zero(real, gw, j);
    for (int64_t i = 0; gv && i < b->rows; i++) any |= !is_zero(b->type, gv, i * m + j);
  }
  mpt_team_reduce(team, MPT_REDUCE_MAX, MPT_INT32, 1, &any);
  return any;
}

double mpt_selected_gap(int64_t n, const double *w, const int32_t *id, const mpt_selected *p) {
  const int64_t low = p->first > 0 ? p->first - 1 : 0;
  const int64_t stop = p->first + p->found, high = stop < n ? stop + 1 : n;
  return mpt_min_gap(high - low, w + low, id + low, mpt_spectral_norm(n, w));
}
