#include "store/schema.h"

#include <multiplet/eigh.h>
#include <stddef.h>
#include <string.h>

#define ENGINE_NAME(id, name) name,
const char *const mpt_solver_names[] = {"none", MPT_ENGINES(ENGINE_NAME) NULL};
const char *const mpt_rule_names[] = {"plain", "form", "mean", "unbiased", "raw", NULL};
_Static_assert(sizeof mpt_solver_names / sizeof *mpt_solver_names == MPT_SOLVER_NAMES + 1,
               "a solver has no name");
_Static_assert(sizeof mpt_rule_names / sizeof *mpt_rule_names == MPT_RULE_NAMES + 1 &&
                   MPT_RULE_NAMES == MPT_RULE_RAW + 1,
               "a rule has no name");

/* Closes the type and returns an invalid one unless it is whole: a type that lacks some members is
 * another type. */
static hid_t whole_or_none(hid_t type, bool whole) {
  if (whole || type < 0) return type;
  H5Tclose(type);
  return H5I_INVALID_HID;
}

hid_t mpt_scalar_type(mpt_type type) {
  hid_t real = mpt_real_size(type) == 4 ? H5T_NATIVE_FLOAT : H5T_NATIVE_DOUBLE;
  if (!mpt_type_is_complex(type)) return H5Tcopy(real);
  hid_t pair = H5Tcreate(H5T_COMPOUND, mpt_type_size(type));
  const bool whole = pair >= 0 && H5Tinsert(pair, "r", 0, real) >= 0 &&
                     H5Tinsert(pair, "i", mpt_real_size(type), real) >= 0;
  return whole_or_none(pair, whole);
}

static hid_t status_type(void) {
  hid_t type = H5Tenum_create(H5T_NATIVE_INT8);
  bool whole = type >= 0;
  for (int8_t s = 0; whole && s < MPT_STATUS_COUNT; s++)
    if (mpt_status_name(s)) whole = H5Tenum_insert(type, mpt_status_name(s), &s) >= 0;
  return whole_or_none(type, whole);
}

static hid_t enum_type(const char *const *names) {
  hid_t type = H5Tenum_create(H5T_NATIVE_INT8);
  bool whole = type >= 0;
  for (int8_t s = 0; whole && names[s]; s++) whole = H5Tenum_insert(type, names[s], &s) >= 0;
  return whole_or_none(type, whole);
}

hid_t mpt_element_type(mpt_element element, mpt_type type) {
  switch (element) {
  case MPT_E_REAL:
    return H5Tcopy(mpt_real_size(type) == 4 ? H5T_NATIVE_FLOAT : H5T_NATIVE_DOUBLE);
  case MPT_E_SCALAR:
    return mpt_scalar_type(type);
  case MPT_E_DOUBLE:
    return H5Tcopy(H5T_NATIVE_DOUBLE);
  case MPT_E_INT32:
    return H5Tcopy(H5T_NATIVE_INT32);
  case MPT_E_STATUS:
    return status_type();
  case MPT_E_INT8:
    return H5Tcopy(H5T_NATIVE_INT8);
  case MPT_E_RULE:
    return enum_type(mpt_rule_names);
  case MPT_E_SOLVER:
    return enum_type(mpt_solver_names);
  }
  return H5I_INVALID_HID;
}
