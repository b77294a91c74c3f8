#include "input.h"

bool mpt_read_int_attribute(hid_t file, const char *name, int64_t *value) {
  hid_t attribute = H5Aopen(file, name, H5P_DEFAULT);
  if (attribute < 0) return false;
  bool read = H5Aread(attribute, H5T_NATIVE_INT64, value) >= 0;
  H5Aclose(attribute);
  return read;
}
