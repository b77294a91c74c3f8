#include "store/element.h"

#include <stdio.h>
#include <string.h>

/* What the parts of complex numbers are called. */
static const char *const parts[][2] = {{"r", "i"}, {"real", "imag"}, {"re", "im"}};
enum { NAMINGS = sizeof parts / sizeof *parts };

/* Which of the namings a compound of two has, or -1. */
static int naming_of(hid_t type) {
  if (H5Tget_class(type) != H5T_COMPOUND || H5Tget_nmembers(type) != 2) return -1;
  for (int k = 0; k < NAMINGS; k++)
    if (H5Tget_member_index(type, parts[k][0]) >= 0 && H5Tget_member_index(type, parts[k][1]) >= 0)
      return k;
  return -1;
}

bool mpt_scalar_type_of(hid_t file_type, mpt_type *type) {
  const size_t size = H5Tget_size(file_type);
  if (H5Tget_class(file_type) == H5T_FLOAT) {
    *type = size == 4 ? MPT_FLOAT32 : MPT_FLOAT64;
    return size == 4 || size == 8;
  }
  const int naming = naming_of(file_type);
  if (naming < 0) return false;
  hid_t re =
      H5Tget_member_type(file_type, (unsigned)H5Tget_member_index(file_type, parts[naming][0]));
  hid_t im =
      H5Tget_member_type(file_type, (unsigned)H5Tget_member_index(file_type, parts[naming][1]));
  const bool fits = H5Tget_class(re) == H5T_FLOAT && H5Tequal(re, im) > 0;
  const size_t part = H5Tget_size(re);
  H5Tclose(re);
  H5Tclose(im);
  *type = part == 4 ? MPT_COMPLEX64 : MPT_COMPLEX128;
  return fits && (part == 4 || part == 8);
}

bool mpt_is_numeric(hid_t type) {
  switch (H5Tget_class(type)) {
  case H5T_INTEGER:
  case H5T_FLOAT:
  case H5T_ENUM: /* bool, of h5py */
  case H5T_BITFIELD:
  case H5T_COMPOUND:
    return true;
  default:
    return false;
  }
}

static bool is_bool(hid_t type) {
  return H5Tget_nmembers(type) == 2 && H5Tget_size(type) == 1;
}

static const char *name_compound(hid_t type, char *text, size_t length) {
  size_t at = (size_t)snprintf(text, length, "a compound {");
  char part[32];
  for (int k = 0; k < H5Tget_nmembers(type) && at < length; k++) {
    char *name = H5Tget_member_name(type, (unsigned)k);
    hid_t member = H5Tget_member_type(type, (unsigned)k);
    const bool nested = H5Tget_class(member) == H5T_COMPOUND;
    at += (size_t)snprintf(text + at, length - at, "%s%.24s: %s", k ? ", " : "", name ? name : "",
                           nested ? "a compound" : mpt_element_text(member, part, sizeof part));
    H5Tclose(member);
    H5free_memory(name);
  }
  if (at < length) snprintf(text + at, length - at, "}");
  return text;
}

const char *mpt_element_text(hid_t type, char *text, size_t length) {
  const int bits = 8 * (int)H5Tget_size(type);
  switch (H5Tget_class(type)) {
  case H5T_INTEGER:
    snprintf(text, length, "%sint%d", H5Tget_sign(type) == H5T_SGN_NONE ? "u" : "", bits);
    break;
  case H5T_FLOAT:
    snprintf(text, length, bits > 64 ? "long double (%d bits)" : "float%d", bits);
    break;
  case H5T_ENUM:
    snprintf(text, length, is_bool(type) ? "bool" : "an enumeration");
    break;
  case H5T_COMPOUND:
    return name_compound(type, text, length);
  case H5T_STRING:
    snprintf(text, length, "strings");
    break;
  default:
    snprintf(text, length, "no numbers");
  }
  return text;
}

hid_t mpt_reading_type(hid_t dataset, hid_t type) {
  hid_t stored = H5Dget_type(dataset);
  const int naming = naming_of(stored);
  H5Tclose(stored);
  if (naming <= 0 || H5Tget_class(type) != H5T_COMPOUND) return H5Tcopy(type);
  const size_t size = H5Tget_size(type);
  hid_t part = H5Tget_member_type(type, 0), named = H5Tcreate(H5T_COMPOUND, size);
  H5Tinsert(named, parts[naming][0], 0, part);
  H5Tinsert(named, parts[naming][1], size / 2, part);
  H5Tclose(part);
  return named;
}
