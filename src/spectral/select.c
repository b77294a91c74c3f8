/* The number of columns of a selection (spectral.h, multiplet/function.h). */
#include "spectral/spectral.h"

#include <string.h>

static int64_t at_most(int64_t count, int64_t n) {
  return count < n ? count : n;
}

int64_t mpt_selected_columns(const mpt_select *select, int64_t n) {
  switch (select->kind) {
  case MPT_SELECT_LOWEST:
  case MPT_SELECT_HIGHEST:
  case MPT_SELECT_RANGE:
    return at_most(select->at_most, n);
  case MPT_SELECT_INDEX:
    return at_most(select->index[1], n) - at_most(select->index[0], n);
  case MPT_SELECT_ALL:
    break;
  }
  return n;
}

bool mpt_same_select(const mpt_select *a, const mpt_select *b) {
  return a->kind == b->kind && a->at_most == b->at_most &&
         !memcmp(a->index, b->index, sizeof a->index) &&
         !memcmp(a->range, b->range, sizeof a->range);
}
