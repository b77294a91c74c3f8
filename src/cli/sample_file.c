#include "cli/sample_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static mpt_code cannot_write(const char *path, const char *why, mpt_error *error) {
  return mpt_fail(error, MPT_BAD_OUTPUT, "cannot write '%s': %s (check the path and free space)",
                  path, why);
}

/* HDF5 does not report the system's reason; errno is the best guess. */
static const char *reason(void) {
  return errno ? strerror(errno) : "HDF5 could not write to it";
}

mpt_code mpt_sample_open(mpt_sample_file *file, const char *path, mpt_error *error) {
  file->path = path;
  H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
  file->created = access(path, F_OK) != 0;
  errno = 0;
  if (file->created)
    file->id = H5Fcreate(path, H5F_ACC_EXCL, H5P_DEFAULT, H5P_DEFAULT);
  else if (H5Fis_hdf5(path) > 0)
    file->id = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
  else
    return cannot_write(path, errno ? strerror(errno) : "it exists and is not an HDF5 file", error);
  if (file->id > 0) return MPT_DONE;
  file->id = 0;
  file->created = false;
  return cannot_write(path, reason(), error);
}

/* H5Lexists fails when a group above is missing, so each group is looked up in turn. */
static bool exists(hid_t file, char *name) {
  for (char *slash = strchr(name + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
    *slash = 0;
    bool there = H5Lexists(file, name, H5P_DEFAULT) > 0;
    *slash = '/';
    if (!there) return false;
  }
  return H5Lexists(file, name, H5P_DEFAULT) > 0;
}

mpt_code mpt_sample_check_free(const mpt_sample_file *file, const char *name, const char *option,
                               mpt_error *error) {
  char *copy = mpt_format("%s", name);
  if (!copy)
    return mpt_fail(error, MPT_NO_RESOURCE, "cannot copy a name: out of memory (free some)");
  bool taken = exists(file->id, copy);
  free(copy);
  if (!taken) return MPT_DONE;
  return mpt_fail(error, MPT_BAD_USAGE,
                  "cannot add '%s' to '%s': the file has it already (choose another %s)", name,
                  file->path, option);
}

mpt_code mpt_sample_close(mpt_sample_file *file, bool failed, mpt_error *error) {
  if (file->id <= 0) return MPT_DONE;
  errno = 0;
  bool closed = H5Fclose(file->id) >= 0;
  file->id = 0;
  mpt_code code = closed || failed ? MPT_DONE : cannot_write(file->path, reason(), error);
  if ((failed || code) && file->created) unlink(file->path);
  return code;
}

/* The types that h5py calls float32, complex128, ...: little-endian in the file, native in
 * memory. */
static hid_t make_type(mpt_type type, bool in_file) {
  bool single = mpt_real_size(type) == 4;
  hid_t real = in_file ? (single ? H5T_IEEE_F32LE : H5T_IEEE_F64LE)
                       : (single ? H5T_NATIVE_FLOAT : H5T_NATIVE_DOUBLE);
  if (!mpt_type_is_complex(type)) return H5Tcopy(real);
  hid_t pair = H5Tcreate(H5T_COMPOUND, mpt_type_size(type));
  H5Tinsert(pair, "r", 0, real);
  H5Tinsert(pair, "i", mpt_real_size(type), real);
  return pair;
}

static hid_t create_dataset(const mpt_sample_dataset *d) {
  hid_t space = H5Screate_simple(d->rank, d->shape, NULL);
  hid_t type = make_type(d->type, true);
  hid_t links = H5Pcreate(H5P_LINK_CREATE), layout = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_create_intermediate_group(links, 1);
  H5Pset_layout(layout, H5D_CONTIGUOUS);
  H5Pset_fill_time(layout, H5D_FILL_TIME_NEVER);
  hid_t id = H5Dcreate2(d->file->id, d->name, type, space, links, layout, H5P_DEFAULT);
  H5Pclose(layout);
  H5Pclose(links);
  H5Tclose(type);
  H5Sclose(space);
  return id;
}

mpt_code mpt_sample_create(mpt_sample_dataset *dataset, const mpt_sample_file *file,
                           const char *name, mpt_type type, int rank, const hsize_t *shape,
                           hsize_t room, mpt_error *error) {
  mpt_code code;
  *dataset =
      (mpt_sample_dataset){.file = file, .name = name, .type = type, .rank = rank, .room = room};
  memcpy(dataset->shape, shape, (size_t)rank * sizeof *shape);
  TRY(mpt_allocate(&dataset->buffer, (int64_t)room, mpt_type_size(type), "a sample", error));
  errno = 0;
  dataset->id = create_dataset(dataset);
  if (dataset->id < 0) {
    dataset->id = 0;
    return mpt_fail(error, MPT_BAD_OUTPUT,
                    "cannot create '%s' in '%s': %s (check the name and free space)", name,
                    file->path, errno ? strerror(errno) : "HDF5 refused");
  }
  dataset->memory_type = make_type(type, false);
done:
  return code;
}

static void convert(mpt_type type, const double complex *from, void *to, hsize_t count) {
  float *single = to;
  double *full = to;
  for (hsize_t k = 0; k < count; k++) switch (type) {
    case MPT_FLOAT32:
      single[k] = (float)creal(from[k]);
      break;
    case MPT_FLOAT64:
      full[k] = creal(from[k]);
      break;
    case MPT_COMPLEX64:
      single[2 * k] = (float)creal(from[k]);
      single[2 * k + 1] = (float)cimag(from[k]);
      break;
    case MPT_COMPLEX128:
      full[2 * k] = creal(from[k]);
      full[2 * k + 1] = cimag(from[k]);
      break;
    case MPT_TYPE_COUNT:
      break;
    }
}

mpt_code mpt_sample_write(mpt_sample_dataset *dataset, const hsize_t *start, const hsize_t *count,
                          const double complex *values, mpt_error *error) {
  hsize_t total = 1;
  for (int d = 0; d < dataset->rank; d++) total *= count[d];
  if (total == 0) return MPT_DONE;
  convert(dataset->type, values, dataset->buffer, total);
  errno = 0;
  hid_t space = H5Dget_space(dataset->id);
  hid_t memory = H5Screate_simple(1, &total, NULL);
  bool written =
      H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, count, NULL) >= 0 &&
      H5Dwrite(dataset->id, dataset->memory_type, memory, space, H5P_DEFAULT, dataset->buffer) >= 0;
  H5Sclose(memory);
  H5Sclose(space);
  return written ? MPT_DONE : cannot_write(dataset->file->path, reason(), error);
}

mpt_code mpt_sample_finish(mpt_sample_dataset *dataset, bool failed, mpt_error *error) {
  bool closed = true;
  if (dataset->id > 0) closed = H5Dclose(dataset->id) >= 0;
  if (dataset->memory_type > 0) H5Tclose(dataset->memory_type);
  if (dataset->id > 0 && (failed || !closed))
    H5Ldelete(dataset->file->id, dataset->name, H5P_DEFAULT);
  free(dataset->buffer);
  const char *path = dataset->file ? dataset->file->path : "";
  *dataset = (mpt_sample_dataset){0};
  return closed || failed ? MPT_DONE : cannot_write(path, reason(), error);
}
