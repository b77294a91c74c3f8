#include "input.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "find.h"

bool mpt_scalar_type_of(hid_t file_type, mpt_type *type) {
  const size_t size = H5Tget_size(file_type);
  if (H5Tget_class(file_type) == H5T_FLOAT) {
    *type = size == 4 ? MPT_FLOAT32 : MPT_FLOAT64;
    return size == 4 || size == 8;
  }
  if (H5Tget_class(file_type) != H5T_COMPOUND || H5Tget_nmembers(file_type) != 2) return false;
  int r = H5Tget_member_index(file_type, "r"), i = H5Tget_member_index(file_type, "i");
  if (r < 0 || i < 0) return false;
  hid_t re = H5Tget_member_type(file_type, (unsigned)r);
  hid_t im = H5Tget_member_type(file_type, (unsigned)i);
  bool fits = H5Tget_class(re) == H5T_FLOAT && H5Tequal(re, im) > 0;
  size_t part = H5Tget_size(re);
  H5Tclose(re);
  H5Tclose(im);
  *type = part == 4 ? MPT_COMPLEX64 : MPT_COMPLEX128;
  return fits && (part == 4 || part == 8);
}

/* Another reason than the others: it is not known what the dataset is. */
static const char unreadable[] = "its shape and type cannot be read, the file is damaged";

/* Shape and type of an open dataset; the reason why it will not do, or NULL. */
static const char *describe(hid_t dataset, mpt_dataset *out) {
  hsize_t dims[3] = {0};
  hid_t space = H5Dget_space(dataset), type = H5Dget_type(dataset);
  int rank = H5Sget_simple_extent_ndims(space);
  const char *reason = NULL;
  if (type < 0 || rank < 0)
    reason = unreadable;
  else if ((rank == 2 || rank == 3) && H5Sget_simple_extent_dims(space, dims, NULL) < 0)
    reason = unreadable;
  else if (rank != 2 && rank != 3)
    reason = "its rank is not 2 or 3";
  out->count = rank == 3 ? (int64_t)dims[0] : 1;
  out->n = (int64_t)dims[rank == 3 ? 2 : 1];
  if (!reason && dims[rank == 3 ? 1 : 0] != (hsize_t)out->n) reason = "its matrices are not square";
  if (!reason && !mpt_scalar_type_of(type, &out->type))
    reason = "its type is not float32, float64 or a complex compound {r, i} of either";
  H5Sclose(space);
  H5Tclose(type);
  return reason;
}

typedef struct search {
  mpt_dataset *found;
  int64_t count;
  bool out_of_memory;
} search;

static mpt_code append(mpt_dataset **list, int64_t *count, const char *path, mpt_dataset d) {
  mpt_dataset *grown = realloc(*list, sizeof *grown * (size_t)(*count + 1));
  if (!grown) return MPT_NO_RESOURCE;
  *list = grown;
  d.path = mpt_format("%s%s", path[0] == '/' ? "" : "/", path);
  grown[(*count)++] = d;
  return d.path ? MPT_DONE : MPT_NO_RESOURCE;
}

static herr_t visit(hid_t object, const char *name, const H5O_info_t *info, void *context) {
  search *s = context;
  mpt_dataset d = {0};
  if (info->type != H5O_TYPE_DATASET) return 0;
  hid_t dataset = H5Dopen(object, name, H5P_DEFAULT);
  const char *reason = dataset >= 0 ? describe(dataset, &d) : unreadable;
  if (dataset >= 0) H5Dclose(dataset);
  if (reason == unreadable) return -1;
  if (!reason && append(&s->found, &s->count, name, d)) s->out_of_memory = true;
  return s->out_of_memory;
}

mpt_code mpt_open_for_reading(const char *name, const char *what, hid_t *file, mpt_error *error) {
  *file = H5I_INVALID_HID;
  H5Eset_auto(H5E_DEFAULT, NULL, NULL);
  if (access(name, R_OK))
    return mpt_fail(error, MPT_BAD_INPUT, "cannot open %s '%s': %s (check the path)", what, name,
                    strerror(errno));
  if (H5Fis_hdf5(name) <= 0)
    return mpt_fail(error, MPT_BAD_INPUT, "cannot read %s '%s': not an HDF5 file (give one)", what,
                    name);
  *file = H5Fopen(name, H5F_ACC_RDONLY, H5P_DEFAULT);
  if (*file >= 0) return MPT_DONE;
  return mpt_fail(error, MPT_BAD_INPUT,
                  "cannot read %s '%s': the HDF5 file is truncated, damaged or being written (make "
                  "it again)",
                  what, name);
}

static mpt_code open_named(mpt_input *input, const char *path, mpt_error *error) {
  mpt_dataset d = {0};
  hid_t dataset = H5Dopen(input->file, path, H5P_DEFAULT);
  if (dataset < 0)
    return mpt_fail(error, MPT_BAD_INPUT,
                    "cannot find dataset '%s' in '%s': there is none (see h5ls -r)", path,
                    input->name);
  const char *reason = describe(dataset, &d);
  H5Dclose(dataset);
  if (reason)
    return mpt_fail(error, MPT_BAD_INPUT,
                    "cannot use dataset '%s' of '%s': %s (give square matrices [n, n] or [B, n, "
                    "n])",
                    path, input->name, reason);
  if (append(&input->datasets, &input->count, path, d))
    return mpt_no_memory("list datasets", error);
  return MPT_DONE;
}

mpt_code mpt_input_open(const char *name, char *const *paths, int64_t count, mpt_input *input,
                        mpt_error *error) {
  mpt_code code = MPT_DONE;
  *input = (mpt_input){.file = H5I_INVALID_HID, .name = mpt_format("%s", name)};
  if (!input->name) TRY(mpt_no_memory("open the input", error));
  TRY(mpt_open_for_reading(name, "input", &input->file, error));
  for (int64_t k = 0; paths && k < count; k++) TRY(open_named(input, paths[k], error));
  if (!paths) {
    search s = {0};
    const herr_t visited = H5Ovisit(input->file, H5_INDEX_NAME, H5_ITER_INC, visit, &s);
    input->datasets = s.found;
    input->count = s.count;
    if (s.out_of_memory) TRY(mpt_no_memory("list datasets", error));
    if (visited < 0)
      TRY(mpt_fail(error, MPT_BAD_INPUT,
                   "cannot list the datasets of '%s': the file is damaged (check it with h5dump)",
                   name));
  }
  if (!input->count)
    TRY(mpt_fail(error, MPT_BAD_INPUT,
                 "cannot use '%s': it holds no square matrices (give a dataset [n, n] or [B, n, n] "
                 "of float32, float64 or a complex compound {r, i})",
                 name));
done:
  if (code != MPT_DONE) mpt_input_close(input);
  return code;
}

void mpt_input_close(mpt_input *input) {
  for (int64_t k = 0; k < input->count; k++) free(input->datasets[k].path);
  free(input->datasets);
  free(input->name);
  if (input->file >= 0) H5Fclose(input->file);
  *input = (mpt_input){.file = H5I_INVALID_HID};
}

/* Selects the part in a dataset of `rank` dimensions; a batch of one may lack the first. */
static hid_t select_part(hid_t dataset, const mpt_part *p) {
  hid_t space = H5Dget_space(dataset);
  int rank = H5Sget_simple_extent_ndims(space);
  hsize_t start[3] = {(hsize_t)p->first, (hsize_t)p->row0, 0};
  hsize_t size[3] = {(hsize_t)p->count, (hsize_t)p->rows, (hsize_t)p->cols};
  if (p->rank == 2) { /* [count, cols] */
    start[1] = 0;
    size[1] = size[2];
  }
  int skip = p->rank - rank;
  if (rank < 0 || skip < 0 || skip > 1 ||
      H5Sselect_hyperslab(space, H5S_SELECT_SET, start + skip, NULL, size + skip, NULL) < 0) {
    H5Sclose(space);
    return H5I_INVALID_HID;
  }
  return space;
}

static bool is_real(hid_t dataset) {
  hid_t type = H5Dget_type(dataset);
  const bool real = H5Tget_class(type) == H5T_FLOAT;
  H5Tclose(type);
  return real;
}

/* count real numbers, at the beginning of `out`, to complex ones of the same precision. */
static void widen(size_t count, size_t real, void *out) {
  char *bytes = out;
  for (size_t i = count; i-- > 0;) {
    memmove(bytes + 2 * i * real, bytes + i * real, real);
    memset(bytes + (2 * i + 1) * real, 0, real);
  }
}

static bool read_elements(hid_t dataset, hid_t space, hid_t memory, hid_t type, size_t count,
                          void *out) {
  if (H5Tget_class(type) != H5T_COMPOUND || !is_real(dataset))
    return H5Dread(dataset, type, memory, space, H5P_DEFAULT, out) >= 0;
  const size_t real = H5Tget_size(type) / 2;
  hid_t part = H5Tcopy(real == 4 ? H5T_NATIVE_FLOAT : H5T_NATIVE_DOUBLE);
  const bool done = H5Dread(dataset, part, memory, space, H5P_DEFAULT, out) >= 0;
  H5Tclose(part);
  if (done) widen(count, real, out);
  return done;
}

mpt_code mpt_read_part(hid_t file, const char *path, const mpt_part *part, hid_t type, void *out,
                       mpt_error *error) {
  hsize_t count = (hsize_t)(part->count * part->rows * part->cols);
  if (count == 0) return MPT_DONE;
  bool done = false;
  hid_t dataset = H5Dopen(file, path, H5P_DEFAULT);
  if (dataset >= 0) {
    hid_t space = select_part(dataset, part), memory = H5Screate_simple(1, &count, NULL);
    done = space >= 0 && read_elements(dataset, space, memory, type, (size_t)count, out);
    if (space >= 0) H5Sclose(space);
    H5Sclose(memory);
    H5Dclose(dataset);
  }
  if (done) return MPT_DONE;
  return mpt_fail(error, MPT_BAD_INPUT,
                  "cannot read '%s', problems %lld to %lld: the file is damaged or was replaced "
                  "(check it with h5dump)",
                  path, (long long)part->first, (long long)(part->first + part->count - 1));
}

mpt_code mpt_expect_dataset(hid_t file, const char *file_name, const char *path,
                            const mpt_dataset *like, mpt_field field, bool *exists,
                            mpt_error *error) {
  const mpt_part whole = mpt_whole_field(field, like);
  const bool real = mpt_fields[field].element == MPT_E_REAL;
  const int wanted = whole.rank;
  hsize_t dims[3] = {0}, want[3] = {(hsize_t)whole.count, (hsize_t)whole.rows, (hsize_t)whole.cols};
  if (wanted == 2) want[1] = want[2];
  hid_t dataset;
  const mpt_code code = mpt_find_dataset(file, path, &dataset, error);
  *exists = dataset >= 0;
  if (!*exists) return code;
  hid_t space = H5Dget_space(dataset), type = H5Dget_type(dataset);
  int rank = H5Sget_simple_extent_ndims(space);
  bool fits = rank == wanted || (rank == wanted - 1 && like->count == 1);
  if (fits) H5Sget_simple_extent_dims(space, dims, NULL);
  for (int k = 0; fits && k < rank; k++) fits = dims[k] == want[wanted - rank + k];
  mpt_type found;
  bool typed = mpt_scalar_type_of(type, &found) &&
               mpt_type_is_complex(found) == (!real && mpt_type_is_complex(like->type));
  H5Sclose(space);
  H5Tclose(type);
  H5Dclose(dataset);
  if (fits && typed) return MPT_DONE;
  return mpt_fail(
      error, MPT_BAD_INPUT,
      "cannot use '%s' of '%s': its %s does not match the %lld matrices of n = %lld, %s "
      "(give the result file's shape and type)",
      path, file_name, fits ? "type" : "shape", (long long)like->count, (long long)like->n,
      mpt_type_name(like->type));
}

bool mpt_read_int_attribute(hid_t file, const char *name, int64_t *value) {
  hid_t attribute = H5Aopen(file, name, H5P_DEFAULT);
  if (attribute < 0) return false;
  bool read = H5Aread(attribute, H5T_NATIVE_INT64, value) >= 0;
  H5Aclose(attribute);
  return read;
}
