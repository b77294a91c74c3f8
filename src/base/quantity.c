#include "base/quantity.h"

#include <stddef.h>
#include <string.h>

const mpt_quantity_info mpt_quantities[] = {
#define QUANTITY(name, ...) [name] = {__VA_ARGS__},
#include "base/quantity_rows.h"
};
_Static_assert(sizeof mpt_quantities / sizeof *mpt_quantities == MPT_QUANTITY_COUNT,
               "a quantity has no row");

const char *mpt_report_member(int index, size_t *offset, size_t *bytes) {
  for (int q = 0; index >= 0 && q < MPT_QUANTITY_COUNT; q++) {
    const mpt_quantity_info *info = &mpt_quantities[q];
    if (info->role != MPT_REPORTED || index-- > 0) continue;
    *offset = info->report;
    *bytes = mpt_element_size(info->element, MPT_FLOAT64);
    return info->member;
  }
  return NULL;
}

mpt_quantityset mpt_wanted(unsigned causes) {
  mpt_quantityset set = 0;
  for (int q = 0; q < MPT_QUANTITY_COUNT; q++)
    if (mpt_quantities[q].wanted & causes) set |= MPT_BIT(q);
  return set;
}

mpt_quantityset mpt_stored(unsigned store) {
  mpt_quantityset set = 0;
  for (int q = 0; q < MPT_QUANTITY_COUNT; q++)
    if (mpt_quantities[q].store & (store | MPT_STORE_ALWAYS)) set |= MPT_BIT(q);
  return set;
}

mpt_quantityset mpt_from(mpt_source source) {
  mpt_quantityset set = 0;
  for (int q = 0; q < MPT_QUANTITY_COUNT; q++)
    if (mpt_quantities[q].source == source) set |= MPT_BIT(q);
  return set;
}

int64_t mpt_quantity_columns(mpt_quantity quantity, const mpt_sizes *sizes) {
  switch (mpt_quantities[quantity].extent) {
  case MPT_ONE:
    return 1;
  case MPT_PER_EIGENVALUE:
  case MPT_VECTORS:
    return sizes->columns;
  case MPT_PER_ROW:
  case MPT_SQUARE:
    return sizes->n;
  case MPT_FRAME_COLUMNS:
    return sizes->frame_columns;
  }
  return 0;
}

size_t mpt_element_size(mpt_element element, mpt_type type) {
  switch (element) {
  case MPT_E_REAL:
    return mpt_real_size(type);
  case MPT_E_SCALAR:
    return mpt_type_size(type);
  case MPT_E_DOUBLE:
    return sizeof(double);
  case MPT_E_INT32:
    return sizeof(int32_t);
  case MPT_E_INT8:
  case MPT_E_STATUS:
  case MPT_E_SOLVER:
  case MPT_E_RULE:
    break;
  }
  return 1;
}
