#include "store/sources.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "store/written.h"

void mpt_source_directory(hid_t dataset, char out[MPT_SOURCE_NAME]) {
  if (H5Fget_name(dataset, out, MPT_SOURCE_NAME) < 0) out[0] = 0;
  out[MPT_SOURCE_NAME - 1] = 0;
  char *slash = strrchr(out, '/');
  slash ? (slash[1] = 0) : (out[0] = 0);
}

static bool is_file(const char *path, double *bytes) {
  struct stat about;
  if (stat(path, &about) || !S_ISREG(about.st_mode)) return false;
  *bytes = (double)about.st_size;
  return true;
}

bool mpt_find_source(const char *name, const char *prefixes, const char *directory, bool beside,
                     char out[MPT_SOURCE_NAME], double *bytes) {
  static const char origin[] = "${ORIGIN}";
  const char *last = strrchr(name, '/');
  if (name[0] == '/' && (snprintf(out, MPT_SOURCE_NAME, "%s", name), is_file(out, bytes)))
    return true;
  if (name[0] == '/' && !beside) return false;
  if (name[0] == '/') name = last + 1;
  for (const char *p = prefixes; p && *p;) {
    const size_t length = strcspn(p, ":"), skip = sizeof origin - 1;
    const bool own = length >= skip && !strncmp(p, origin, skip);
    snprintf(out, MPT_SOURCE_NAME, "%s%.*s/%s", own ? directory : "",
             (int)(own ? length - skip : length), own ? p + skip : p, name);
    if (is_file(out, bytes)) return true;
    p += length + (p[length] == ':');
  }
  if (beside && (snprintf(out, MPT_SOURCE_NAME, "%s%s", directory, name), is_file(out, bytes)))
    return true;
  return snprintf(out, MPT_SOURCE_NAME, "%s", name), is_file(out, bytes);
}

void mpt_find_external_lack(hid_t dataset, hid_t how, mpt_lack *lack) {
  char directory[MPT_SOURCE_NAME], name[MPT_SOURCE_NAME], found[MPT_SOURCE_NAME];
  double left = mpt_logical_bytes(dataset), bytes;
  mpt_source_directory(dataset, directory);
  const int count = H5Pget_external_count(how);
  for (int k = 0; k < count && left > 0; k++) {
    off_t offset = 0;
    hsize_t size = 0;
    H5Pget_external(how, (unsigned)k, sizeof name - 1, name, &offset, &size);
    name[MPT_SOURCE_NAME - 1] = 0;
    const double wanted = size == H5F_UNLIMITED || (double)size > left ? left : (double)size;
    const bool there =
        mpt_find_source(name, getenv("HDF5_EXTFILE_PREFIX"), directory, false, found, &bytes);
    left -= wanted;
    if (there && bytes >= (double)offset + wanted) continue;
    lack->kind = MPT_LACKS_SOURCE;
    snprintf(lack->text, sizeof lack->text,
             "its external file '%.200s' %s, HDF5 would make up zeros (put it back, or set "
             "HDF5_EXTFILE_PREFIX)",
             name, there ? "is too short" : "is missing");
    return;
  }
}
