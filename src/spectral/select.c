#include "spectral.h"

#include <multiplet/function.h>

static int64_t at_most(int64_t count, int64_t n) {
  return count < n ? count : n;
}

int64_t mpt_select_columns(const mpt_select *select, int64_t n) {
  switch (select->kind) {
  case MPT_SELECT_LOWEST:
  case MPT_SELECT_HIGHEST:
  case MPT_SELECT_RANGE:
    return at_most(select->at_most, n);
  case MPT_SELECT_INDEX:
    return at_most(select->index[1], n) - at_most(select->index[0], n);
  default:
    return n;
  }
}
