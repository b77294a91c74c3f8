#include "store/find.h"

#include <stdlib.h>
#include <string.h>

static mpt_code cannot_read(const char *path, const char *why, mpt_error *error) {
  return mpt_fail(error, MPT_BAD_INPUT,
                  "cannot read '%s': %s (the file may be damaged, check it with h5dump)", path,
                  why);
}

mpt_code mpt_find_link(hid_t file, const char *path, bool *exists, mpt_error *error) {
  char *name = mpt_format("%s", path);
  htri_t there = 1;
  *exists = false;
  if (!name) return mpt_no_memory("look for a dataset", error);
  if (file < 0) there = 0;
  for (char *slash = name; there > 0 && slash;) {
    slash = strchr(slash + 1, '/');
    if (slash) *slash = 0;
    if (name[1]) there = H5Lexists(file, name, H5P_DEFAULT);
    if (slash) *slash = '/';
  }
  free(name);
  *exists = there > 0;
  return there >= 0 ? MPT_DONE
                    : cannot_read(path, "what it leads through cannot be looked into", error);
}

mpt_code mpt_find_dataset(hid_t file, const char *path, hid_t *dataset, mpt_error *error) {
  bool exists;
  *dataset = H5I_INVALID_HID;
  const mpt_code code = mpt_find_link(file, path, &exists, error);
  if (code != MPT_DONE || !exists) return code;
  *dataset = H5Dopen(file, path, H5P_DEFAULT);
  return *dataset >= 0 ? MPT_DONE
                       : cannot_read(path, "it is there and does not open as a dataset", error);
}

static bool read_text(hid_t attribute, char **text) {
  char *value = NULL;
  hid_t type = H5Aget_type(attribute);
  bool done = type >= 0;
  if (done && H5Tget_class(type) == H5T_STRING && H5Tis_variable_str(type) > 0) {
    done = H5Aread(attribute, type, &value) >= 0;
    if (done && value) done = (*text = mpt_format("%s", value)) != NULL;
    if (value) H5free_memory(value);
  }
  if (type >= 0) H5Tclose(type);
  return done;
}

mpt_code mpt_find_text(hid_t file, const char *name, char **text, mpt_error *error) {
  *text = NULL;
  const htri_t there = H5Aexists(file, name);
  if (there == 0) return MPT_DONE;
  hid_t attribute = there > 0 ? H5Aopen(file, name, H5P_DEFAULT) : H5I_INVALID_HID;
  const bool done = attribute >= 0 && read_text(attribute, text);
  if (attribute >= 0) H5Aclose(attribute);
  return done ? MPT_DONE : cannot_read(name, "the attribute is there and cannot be read", error);
}

mpt_code mpt_find_integer(hid_t file, const char *name, bool *there, int64_t *value,
                          mpt_error *error) {
  const htri_t found = H5Aexists(file, name);
  *there = found > 0;
  *value = 0;
  if (found == 0) return MPT_DONE;
  hid_t attribute = *there ? H5Aopen(file, name, H5P_DEFAULT) : H5I_INVALID_HID;
  const bool done = attribute >= 0 && H5Aread(attribute, H5T_NATIVE_INT64, value) >= 0;
  if (attribute >= 0) H5Aclose(attribute);
  return done ? MPT_DONE : cannot_read(name, "the attribute is there and cannot be read", error);
}
