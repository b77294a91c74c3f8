#include <stdlib.h>
#include "input.h"

char *mpt_read_text_attribute(hid_t file, const char *name) {
  char *value = NULL, *text = NULL;
  hid_t attribute = H5Aopen(file, name, H5P_DEFAULT);
  if (attribute < 0) return NULL;
  hid_t type = H5Aget_type(attribute);
  if (H5Tget_class(type) == H5T_STRING && H5Tis_variable_str(type) > 0 &&
      H5Aread(attribute, type, &value) >= 0 && value) {
    text = mpt_format("%s", value);
    H5free_memory(value);
  }
  H5Tclose(type);
  H5Aclose(attribute);
  return text;
}

bool mpt_read_int_attribute(hid_t file, const char *name, int64_t *value) {
  hid_t attribute = H5Aopen(file, name, H5P_DEFAULT);
  if (attribute < 0) return false;
  bool read = H5Aread(attribute, H5T_NATIVE_INT64, value) >= 0;
  H5Aclose(attribute);
  return read;
}
