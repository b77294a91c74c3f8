#include "store/element.h"

#include <stdio.h>
#include <string.h>

/* The names of the real and imaginary parts of complex numbers. */
static const char *const parts[][2] = {{"r", "i"}, {"real", "imag"}, {"re", "im"}};
enum { NAMINGS = sizeof parts / sizeof *parts };

/* The row of `parts` that the members of a compound of two have, or -1. */
static int naming_of(hid_t type) {
  if (H5Tget_class(type) != H5T_COMPOUND || H5Tget_nmembers(type) != 2) return -1;
  for (int k = 0; k < NAMINGS; k++)
    if (H5Tget_member_index(type, parts[k][0]) >= 0 && H5Tget_member_index(type, parts[k][1]) >= 0)
      return k;
  return -1;
}

/* IEEE 754 single or double precision, in either byte order. Other bit fields are refused: nobody
 * writes them, and libhdf5 does not check that they lie inside the element. */
static bool is_ieee(hid_t type) {
  return H5Tequal(type, H5T_IEEE_F64LE) > 0 || H5Tequal(type, H5T_IEEE_F64BE) > 0 ||
         H5Tequal(type, H5T_IEEE_F32LE) > 0 || H5Tequal(type, H5T_IEEE_F32BE) > 0;
}

/* Whether the two parts of a compound lie inside it and do not overlap, which libhdf5 does not
 * check. */
static bool parts_fit(hid_t compound, int naming, size_t part) {
  const int k = H5Tget_member_index(compound, parts[naming][0]);
  const size_t re = H5Tget_member_offset(compound, (unsigned)k);
  const size_t im = H5Tget_member_offset(compound, (unsigned)!k), size = H5Tget_size(compound);
  const size_t first = re < im ? re : im, second = re < im ? im : re;
  return second - first >= part && part <= size && second <= size - part;
}

/* The type of both parts of a complex compound, which the caller closes; H5I_INVALID_HID when they
 * differ or are no floats. */
static hid_t part_of(hid_t compound) {
  hid_t re = H5Tget_member_type(compound, 0), im = H5Tget_member_type(compound, 1);
  const bool alike = H5Tequal(re, im) > 0;
  H5Tclose(im);
  if (alike) return re;
  H5Tclose(re);
  return H5I_INVALID_HID;
}

bool mpt_scalar_type_of(hid_t file_type, mpt_type *type) {
  if (H5Tget_class(file_type) == H5T_FLOAT) {
    *type = H5Tget_size(file_type) == 4 ? MPT_FLOAT32 : MPT_FLOAT64;
    return is_ieee(file_type);
  }
  const int naming = naming_of(file_type);
  hid_t part = naming < 0 ? H5I_INVALID_HID : part_of(file_type);
  if (part < 0) return false;
  const size_t size = H5Tget_size(part);
  const bool fits = is_ieee(part) && parts_fit(file_type, naming, size);
  H5Tclose(part);
  *type = size == 4 ? MPT_COMPLEX64 : MPT_COMPLEX128;
  return fits;
}

bool mpt_is_numeric(hid_t type) {
  const H5T_class_t kind = H5Tget_class(type);
  const bool enumerated = kind == H5T_ENUM; /* h5py's bool */
  return enumerated || kind == H5T_INTEGER || kind == H5T_FLOAT || kind == H5T_BITFIELD ||
         kind == H5T_COMPOUND;
}

static bool is_bool(hid_t type) {
  return H5Tget_nmembers(type) == 2 && H5Tget_size(type) == 1;
}

static const char *name_compound(hid_t type, char *text, size_t length) {
  const int naming = naming_of(type);
  hid_t both = naming < 0 ? H5I_INVALID_HID : part_of(type);
  const bool fits = both < 0 || parts_fit(type, naming, H5Tget_size(both));
  size_t at =
      (size_t)snprintf(text, length, "a compound%s {", fits ? "" : " whose parts do not fit");
  char part[48];
  if (both >= 0) H5Tclose(both);
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
  const bool odd = (bits == 32 || bits == 64) && !is_ieee(type);
  const H5T_class_t kind = H5Tget_class(type);
  if (kind == H5T_COMPOUND) return name_compound(type, text, length);
  if (kind == H5T_INTEGER)
    snprintf(text, length, "%sint%d", H5Tget_sign(type) == H5T_SGN_NONE ? "u" : "", bits);
  else if (kind == H5T_FLOAT)
    snprintf(text, length,
             bits > 64 ? "long double (%d bits)"
             : odd     ? "float%d, not of IEEE 754"
                       : "float%d",
             bits);
  else if (kind == H5T_ENUM)
    snprintf(text, length, is_bool(type) ? "bool" : "an enumeration");
  else
    snprintf(text, length, kind == H5T_STRING ? "strings" : "no numbers");
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
