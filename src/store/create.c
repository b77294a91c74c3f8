#define _GNU_SOURCE
#include "store/create.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>
#include "store/destination.h"
#include "store/lookout.h"
#include "store/shape.h"
#include "store/find.h"

enum { ID_DIGITS = 16 }; /* at the end of a draft's name */
static const int64_t small_file = INT64_C(16) << 20;

static bool write_text(hid_t file, const char *name, const char *value) {
  hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR);
  const bool typed = H5Tset_size(type, H5T_VARIABLE) >= 0 && H5Tset_cset(type, H5T_CSET_UTF8) >= 0;
  hid_t attribute =
      typed ? H5Acreate(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT) : H5I_INVALID_HID;
  bool done = attribute >= 0 && H5Awrite(attribute, type, &value) >= 0;
  if (attribute >= 0) H5Aclose(attribute);
  H5Sclose(space);
  H5Tclose(type);
  return done;
}

static bool write_int(hid_t file, const char *name, int value) {
  hid_t space = H5Screate(H5S_SCALAR);
  hid_t attribute = H5Acreate(file, name, H5T_NATIVE_INT, space, H5P_DEFAULT, H5P_DEFAULT);
  bool done = attribute >= 0 && H5Awrite(attribute, H5T_NATIVE_INT, &value) >= 0;
  if (attribute >= 0) H5Aclose(attribute);
  H5Sclose(space);
  return done;
}

static bool write_attributes(hid_t file, const mpt_result_spec *spec, const char *id) {
  char created[32], host[256] = "", mpi[MPI_MAX_LIBRARY_VERSION_STRING] = "";
  int length = 0;
  time_t now = time(NULL);
  strftime(created, sizeof created, "%Y-%m-%dT%H:%M:%SZ", gmtime(&now));
  gethostname(host, sizeof host - 1);
  MPI_Get_library_version(mpi, &length);
  const char *job = getenv("SLURM_JOB_ID");
  bool done = write_text(file, "schema_name", MPT_SCHEMA_NAME) &&
              write_text(file, "schema_version", MPT_SCHEMA_VERSION) &&
              write_int(file, "complete", 0) && write_text(file, "software", "multiplet") &&
              write_text(file, "software_version", mpt_version()) &&
              write_text(file, "config", spec->config) &&
              write_text(file, "input_file", spec->input_file) &&
              write_text(file, "input_fingerprint", spec->fingerprint) &&
              write_text(file, "created", created) && write_text(file, "result_id", id) &&
              write_int(file, "ranks", spec->ranks) && write_text(file, "mpi_library", mpi) &&
              write_text(file, "blas_library", spec->blas) && write_text(file, "hostname", host);
  if (done && spec->not_used) done = write_text(file, "not_used", spec->not_used);
  return done && (!job || write_text(file, "slurm_job_id", job));
}

/* The dataset is contiguous. Its space is allocated at once and never filled: elements that were
 * not written read as zero. */
static bool create_dataset(hid_t file, const mpt_result_spec *spec, int64_t index,
                           mpt_quantity quantity, int64_t function) {
  const mpt_quantity_info *info = &mpt_quantities[quantity];
  const mpt_dataset *d = &spec->datasets[index];
  hsize_t dims[H5S_MAX_RANK];
  const int rank = mpt_quantity_dims(quantity, d, dims);
  char *path = mpt_quantity_path(spec, index, quantity, function);
  if (!path) return false;
  hid_t space = H5Screate_simple(rank, dims, NULL);
  hid_t type = mpt_element_type(info->element, d->type);
  hid_t how = H5Pcreate(H5P_DATASET_CREATE), links = H5Pcreate(H5P_LINK_CREATE);
  H5Pset_layout(how, H5D_CONTIGUOUS);
  H5Pset_alloc_time(how, H5D_ALLOC_TIME_EARLY);
  H5Pset_fill_time(how, H5D_FILL_TIME_NEVER);
  H5Pset_create_intermediate_group(links, 1);
  hid_t dataset = H5Dcreate(file, path, type, space, links, how, H5P_DEFAULT);
  if (dataset >= 0) H5Dclose(dataset);
  H5Pclose(links);
  H5Pclose(how);
  H5Tclose(type);
  H5Sclose(space);
  free(path);
  return dataset >= 0;
}

static bool fits(int file, int64_t bytes) {
  struct statvfs about;
  errno = ENOSPC;
  return fstatvfs(file, &about) || (double)about.f_bavail * (double)about.f_frsize >= (double)bytes;
}

/* Reserves the space; true also where the file system cannot reserve. */
static bool take_space(int file, int64_t bytes) {
#ifdef __linux__
  if (fallocate(file, 0, 0, bytes) && errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL)
    return false;
#endif
  return true;
}

/* Reserves the whole file, so that a full disk is noticed before the first problem and not after
 * the last. If little is to be written at once anyway, only the free space is checked. The draft is
 * on the disk before it takes the result's name. */
static mpt_code reserve(const mpt_result_spec *spec, const char *draft, mpt_error *error) {
  struct stat about = {0};
  const int file = open(draft, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
  const bool done =
      file >= 0 && !fstat(file, &about) &&
      (about.st_size > small_file ? take_space(file, about.st_size) : fits(file, about.st_size)) &&
      (!spec->sync || !fsync(file));
  const int reason = errno;
  if (file >= 0) close(file);
  if (done) return MPT_DONE;
  return mpt_fail(error, MPT_BAD_OUTPUT,
                  "cannot write result '%s': %s for %.3g GiB (free space, or name another "
                  "output.file)",
                  spec->path, strerror(reason), (double)about.st_size / 0x1p30);
}

static mpt_code fill_draft(const mpt_result_spec *spec, const char *draft, mpt_error *error) {
  errno = 0;
  hid_t file = H5Fcreate(draft, H5F_ACC_EXCL, H5P_DEFAULT, H5P_DEFAULT); /* follows no link */
  bool done = file >= 0 && write_attributes(file, spec, draft + strlen(draft) - ID_DIGITS);
  for (int64_t d = 0; done && d < spec->count; d++)
    for (int f = 0; done && f < MPT_QUANTITY_COUNT; f++)
      for (int64_t k = 0; done && k <= spec->function_count; k++)
        if (mpt_is_stored(spec, (mpt_quantity)f, k))
          done = create_dataset(file, spec, d, (mpt_quantity)f, k);
  if (file >= 0 && H5Fclose(file) < 0) done = false;
  const int reason = errno;
  if (done) return reserve(spec, draft, error);
  return mpt_fail(error, MPT_BAD_OUTPUT,
                  "cannot write result '%s': %s (check the directory's permissions and space)",
                  spec->path, reason ? strerror(reason) : "HDF5 could not create it");
}

mpt_code mpt_create_result(const mpt_result_spec *spec, const char *draft, bool replaces,
                           mpt_error *error) {
  mpt_code code = fill_draft(spec, draft, error);
  if (code == MPT_DONE && !mpt_destination_put(draft, spec->path, replaces))
    code = mpt_fail(error, MPT_BAD_OUTPUT, "cannot write result '%s': %s (check its directory)",
                    spec->path, strerror(errno));
  if (code != MPT_DONE) unlink(draft);
  return code;
}

static mpt_code compare(hid_t file, const char *attribute, const char *mine, const char *what,
                        const char *path, mpt_error *error) {
  char *text;
  if (mpt_find_text(file, attribute, &text, error) != MPT_DONE)
    return mpt_fail(
        error, MPT_BAD_OUTPUT,
        "cannot continue '%s': its attribute %s cannot be read (--fresh replaces it; or "
        "name another output.file)",
        path, attribute);
  bool same = text && !strcmp(text, mine);
  free(text);
  if (same) return MPT_DONE;
  return mpt_fail(error, MPT_BAD_USAGE,
                  "cannot continue '%s': it was made %s (--fresh starts over; or name another "
                  "output.file)",
                  path, what);
}

/* Checks that the file has every dataset: an older version of the program that stored fewer
 * datasets has the same config. */
static mpt_code check_datasets(hid_t file, const mpt_result_spec *spec, mpt_error *error) {
  for (int64_t d = 0; d < spec->count; d++)
    for (int f = 0; f < MPT_QUANTITY_COUNT; f++)
      for (int64_t k = 0; k <= spec->function_count; k++) {
        if (!mpt_is_stored(spec, (mpt_quantity)f, k)) continue;
        char *path = mpt_quantity_path(spec, d, (mpt_quantity)f, k);
        const bool exists = path && H5Lexists(file, path, H5P_DEFAULT) > 0;
        free(path);
        if (!exists)
          return mpt_fail(error, MPT_BAD_USAGE,
                          "cannot continue '%s': it has no %s of '%s', another version made it "
                          "(--fresh starts over; or name another output.file)",
                          spec->path, mpt_quantities[f].name, spec->datasets[d].path);
      }
  return MPT_DONE;
}

mpt_code mpt_check_same_job(const mpt_result_spec *spec, bool *complete, mpt_error *error) {
  hid_t file;
  int64_t finished;
  bool there;
  if (mpt_look_at(spec->path, "result", error) != MPT_DONE ||
      mpt_open_for_reading(spec->path, "result", &file, error) != MPT_DONE)
    return mpt_fail(error, MPT_BAD_OUTPUT,
                    "cannot continue '%s': it is not a readable result file (remove it, or name "
                    "another output.file)",
                    spec->path);
  mpt_code code = MPT_DONE;
  TRY(compare(file, "schema_name", MPT_SCHEMA_NAME, "by another program", spec->path, error));
  TRY(compare(file, "schema_version", MPT_SCHEMA_VERSION, "with another schema version", spec->path,
              error));
  TRY(compare(file, "config", spec->config, "with another config", spec->path, error));
  TRY(compare(file, "input_fingerprint", spec->fingerprint, "from another input", spec->path,
              error));
  TRY(check_datasets(file, spec, error));
  TRY(mpt_find_integer(file, "complete", &there, &finished, error));
  *complete = finished == 1;
done:
  H5Fclose(file);
  return code;
}

bool mpt_is_same_job(hid_t file, const mpt_result_spec *spec) {
  mpt_error ignored;
  return compare(file, "config", spec->config, "", "", &ignored) == MPT_DONE &&
         compare(file, "input_fingerprint", spec->fingerprint, "", "", &ignored) == MPT_DONE;
}

bool mpt_mark_complete(hid_t file) {
  const int one = 1;
  hid_t attribute = H5Aopen(file, "complete", H5P_DEFAULT);
  bool done = attribute >= 0 && H5Awrite(attribute, H5T_NATIVE_INT, &one) >= 0;
  if (attribute >= 0) done &= H5Aclose(attribute) >= 0;
  return done;
}
