/* Reading parts of datasets, and checking those that mirror the result; declared in input.h. */
#include <string.h>
#include "store/element.h"
#include "store/shape.h"
#include "store/storage.h"
#include "store/find.h"

static bool is_real(hid_t dataset) {
  hid_t type = H5Dget_type(dataset);
  const bool real = H5Tget_class(type) == H5T_FLOAT;
  H5Tclose(type);
  return real;
}

/* Converts `count` real numbers at the beginning of `out` to complex ones of the same precision, in
 * place. */
static void widen(size_t count, size_t real, void *out) {
  char *bytes = out;
  for (size_t i = count; i-- > 0;) {
    memmove(bytes + 2 * i * real, bytes + i * real, real);
    memset(bytes + (2 * i + 1) * real, 0, real);
  }
}

static bool read_elements(hid_t dataset, hid_t space, hid_t memory, hid_t type, size_t count,
                          void *out) {
  const bool widens = H5Tget_class(type) == H5T_COMPOUND && is_real(dataset);
  const size_t real = H5Tget_size(type) / 2;
  hid_t as = widens ? H5Tcopy(real == 4 ? H5T_NATIVE_FLOAT : H5T_NATIVE_DOUBLE)
                    : mpt_reading_type(dataset, type);
  const bool done = H5Dread(dataset, as, memory, space, H5P_DEFAULT, out) >= 0;
  H5Tclose(as);
  if (done && widens) widen(count, real, out);
  return done;
}

mpt_code mpt_read_slab(hid_t file, const char *path, const mpt_slab *part, hid_t type, void *out,
                       mpt_error *error) {
  hsize_t count = (hsize_t)(part->count * part->rows * part->cols);
  if (count == 0) return MPT_DONE;
  bool done = false;
  hid_t dataset = H5Dopen(file, path, H5P_DEFAULT);
  if (dataset >= 0) {
    hid_t space = H5Dget_space(dataset), memory = H5Screate_simple(1, &count, NULL);
    done = mpt_select_slab(space, part) &&
           read_elements(dataset, space, memory, type, (size_t)count, out);
    H5Sclose(space);
    H5Sclose(memory);
    H5Dclose(dataset);
  }
  if (done) return MPT_DONE;
  return mpt_fail(error, MPT_BAD_INPUT,
                  "cannot read '%s', problems %lld to %lld: the file is damaged or was replaced "
                  "(check it with h5dump)",
                  path, (long long)part->first, (long long)(part->first + part->count - 1));
}

/* Whether the dataset has the wanted dimensions; a batch of one may lack the first. */
static bool has_dims(hid_t dataset, int rank, const hsize_t *want, bool one) {
  hsize_t dims[H5S_MAX_RANK];
  hid_t space = H5Dget_space(dataset);
  const int found = H5Sget_simple_extent_dims(space, dims, NULL), skip = rank - found;
  bool fits = found >= 0 && (skip == 0 || (skip == 1 && one && want[0] == 1));
  H5Sclose(space);
  for (int k = 0; fits && k < found; k++) fits = dims[k] == want[skip + k];
  return fits;
}

static bool has_type(hid_t dataset, bool wants_complex) {
  mpt_type found;
  hid_t type = H5Dget_type(dataset);
  const bool fits = mpt_scalar_type_of(type, &found) && mpt_type_is_complex(found) == wants_complex;
  H5Tclose(type);
  return fits;
}

mpt_code mpt_expect_data(hid_t dataset, const char *file_name, const char *path, mpt_error *error) {
  const mpt_lack lack = mpt_dataset_lack(dataset);
  if (lack.kind == MPT_LACKS_PARTS) mpt_warn("'%s' of '%s': %s", path, file_name, lack.text);
  if (lack.kind <= MPT_LACKS_PARTS) return MPT_DONE;
  return mpt_fail(error, MPT_BAD_INPUT, "cannot use '%s' of '%s': %s", path, file_name, lack.text);
}

mpt_code mpt_expect_dataset(hid_t file, const char *file_name, const char *path,
                            const mpt_dataset *like, mpt_quantity quantity, bool *exists,
                            mpt_error *error) {
  mpt_code code = MPT_DONE;
  hsize_t want[H5S_MAX_RANK];
  char shape[160];
  const int rank = mpt_quantity_dims(quantity, like, want);
  const bool real = mpt_quantities[quantity].element == MPT_E_REAL;
  hid_t dataset;
  code = mpt_find_dataset(file, path, &dataset, error);
  *exists = dataset >= 0;
  if (code != MPT_DONE) { /* replaced by the clearer of the two messages */
    mpt_refuse_dangling(file, file_name, path, error);
    return code;
  }
  if (!*exists) return MPT_DONE;
  const bool fits = has_dims(dataset, rank, want, like->leading <= 1);
  const bool typed = has_type(dataset, !real && mpt_type_is_complex(like->type));
  if (!fits || !typed)
    code = mpt_fail(
        error, MPT_BAD_INPUT,
        "cannot use '%s' of '%s': its %s does not match the %lld matrices of n = %lld, %s "
        "(give the result file's shape and type, here %s)",
        path, file_name, fits ? "type" : "shape", (long long)like->count, (long long)like->n,
        mpt_type_name(like->type), mpt_dims_text(rank, want, shape, sizeof shape));
  else
    code = mpt_expect_data(dataset, file_name, path, error);
  H5Dclose(dataset);
  return code;
}
