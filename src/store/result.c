#include "result.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "agree.h"
#include "create.h"

/* More problems than this do not wait for the next commit. */
enum { MOST_WAITING = 1 << 20 };
static const int64_t call_bytes = INT64_C(1) << 29; /* MPI-IO counts bytes in 32 bits */

typedef struct finished {
  int64_t d, first, count;
  int8_t *statuses;
} finished;

struct mpt_result {
  MPI_Comm comm;
  char *path;
  hid_t file, *datasets; /* handle_of(); H5I_INVALID_HID where not stored */
  int64_t functions;     /* datasets a field, at most */
  mpt_dataset *shapes;   /* their paths stay the spec's */
  int64_t count;
  bool sealed; /* complete already: opened for reading, and left as it is */
  finished *waiting;
  int64_t waiting_count, waiting_capacity, waiting_problems;
  double committed;
};

static hid_t *handle_of(const mpt_result *r, int64_t d, mpt_field field, int64_t function) {
  return &r->datasets[(d * MPT_FIELD_COUNT + (int64_t)field) * r->functions + function];
}

/* Every rank opens the file for itself: all of its space is there, so that nobody changes more than
 * his own elements, and HDF5 has nothing to do together. Opened together, a write that fails on one
 * rank while the file is closed leaves the others waiting there for ever. */
static mpt_code open_datasets(mpt_result *r, const mpt_result_spec *spec, mpt_error *error) {
  hid_t how = H5Pcreate(H5P_FILE_ACCESS);
  if (H5Pset_fapl_mpio(how, MPI_COMM_SELF, MPI_INFO_NULL) >= 0) /* others buffer what is others' */
    r->file = H5Fopen(spec->path, r->sealed ? H5F_ACC_RDONLY : H5F_ACC_RDWR, how);
  H5Pclose(how);
  bool done = r->file >= 0;
  for (int64_t d = 0; d < spec->count; d++)
    for (int f = 0; f < MPT_FIELD_COUNT; f++)
      for (int64_t k = 0; k < r->functions; k++) {
        hid_t *handle = handle_of(r, d, (mpt_field)f, k);
        *handle = H5I_INVALID_HID;
        if (!done || !mpt_is_stored(spec, (mpt_field)f, k)) continue;
        char *path = mpt_field_path(spec, d, (mpt_field)f, k);
        *handle = path ? H5Dopen(r->file, path, H5P_DEFAULT) : H5I_INVALID_HID;
        done &= *handle >= 0;
        free(path);
      }
  if (done) return MPT_DONE;
  return mpt_fail(
      error, MPT_BAD_OUTPUT,
      "cannot write result '%s': it does not open on every rank (use a file system that "
      "all nodes share)",
      spec->path);
}

static mpt_code read_statuses(mpt_result *r, int8_t **statuses, mpt_error *error) {
  mpt_code code = MPT_DONE;
  int rank;
  MPI_Comm_rank(r->comm, &rank);
  for (int64_t d = 0; d < r->count; d++)
    TRY(mpt_allocate(&statuses[d], r->shapes[d].count, 1, "statuses", error));
  if (rank != 0) return MPT_DONE;
  hid_t type = mpt_element_type(MPT_E_STATUS, MPT_FLOAT64);
  for (int64_t d = 0; d < r->count && code == MPT_DONE; d++)
    if (r->shapes[d].count && H5Dread(*handle_of(r, d, MPT_STATUS, 0), type, H5S_ALL, H5S_ALL,
                                      H5P_DEFAULT, statuses[d]) < 0)
      code = mpt_fail(error, MPT_BAD_OUTPUT,
                      "cannot continue '%s': its statuses cannot be read (--fresh starts over)",
                      r->path);
  H5Tclose(type);
done:
  return code;
}

static mpt_code allocate_result(MPI_Comm comm, const mpt_result_spec *spec, mpt_result **out,
                                mpt_error *error) {
  mpt_code code = MPT_DONE;
  mpt_result *r = NULL;
  TRY(mpt_allocate(&r, 1, sizeof *r, "the result", error));
  *out = r;
  r->comm = comm;
  r->count = spec->count;
  r->file = H5I_INVALID_HID;
  r->committed = mpt_now();
  r->path = mpt_format("%s", spec->path);
  if (!r->path) TRY(mpt_no_memory("open the result", error));
  r->functions = spec->function_count > 0 ? spec->function_count : 1;
  TRY(mpt_allocate(&r->datasets, spec->count * MPT_FIELD_COUNT * r->functions, sizeof *r->datasets,
                   "the result", error));
  TRY(mpt_allocate(&r->shapes, spec->count, sizeof *r->shapes, "the result", error));
  memcpy(r->shapes, spec->datasets, sizeof *r->shapes * (size_t)spec->count);
done:
  return code;
}

static void release_result(mpt_result *r) {
  if (!r) return;
  for (int64_t k = 0; k < r->waiting_count; k++) free(r->waiting[k].statuses);
  free(r->waiting);
  free(r->datasets);
  free(r->shapes);
  free(r->path);
  free(r);
}

static bool close_handles(mpt_result *r) {
  bool done = true;
  const int64_t handles = r->count * MPT_FIELD_COUNT * r->functions;
  for (int64_t k = 0; r->file >= 0 && k < handles; k++)
    if (r->datasets[k] >= 0) done &= H5Dclose(r->datasets[k]) >= 0;
  if (r->file >= 0) done &= H5Fclose(r->file) >= 0;
  r->file = H5I_INVALID_HID;
  return done;
}

static mpt_code prepare_file(const mpt_result_spec *spec, bool fresh, bool *continued, bool *sealed,
                             mpt_error *error) {
  *continued = !fresh && access(spec->path, F_OK) == 0;
  *sealed = false;
  return *continued ? mpt_check_same_job(spec, sealed, error) : mpt_create_result(spec, error);
}

mpt_code mpt_result_open(MPI_Comm comm, const mpt_result_spec *spec, bool fresh, mpt_result **out,
                         int8_t **statuses, bool *continued, mpt_error *error) {
  mpt_code code = MPT_DONE;
  mpt_result *r = NULL;
  int rank, again[2] = {0};
  MPI_Comm_rank(comm, &rank);
  H5Eset_auto(H5E_DEFAULT, NULL, NULL);
  *out = NULL;
  AGREE(comm, allocate_result(comm, spec, &r, error));
  if (rank == 0) {
    code = prepare_file(spec, fresh, continued, &r->sealed, error);
    again[0] = *continued;
    again[1] = r->sealed;
  }
  AGREE(comm, code);
  MPI_Bcast(again, 2, MPI_INT, 0, comm);
  *continued = again[0];
  r->sealed = again[1];
  AGREE(comm, open_datasets(r, spec, error));
  AGREE(comm, read_statuses(r, statuses, error));
  for (int64_t d = 0; d < r->count; d++) /* in pieces that an int can count */
    for (int64_t at = 0; at < r->shapes[d].count; at += INT32_MAX) {
      int64_t rest = r->shapes[d].count - at;
      MPI_Bcast(statuses[d] + at, (int)(rest < INT32_MAX ? rest : INT32_MAX), MPI_INT8_T, 0, comm);
    }
  *out = r;
  return MPT_DONE;
done:
  if (r) close_handles(r);
  release_result(r);
  return code;
}

static mpt_code write_failed(const mpt_result *r, mpt_error *error) {
  return mpt_fail(
      error, MPT_BAD_OUTPUT,
      "cannot write result '%s': %s (what is finished is kept; free space and run again "
      "to continue)",
      r->path, errno ? strerror(errno) : "HDF5 could not write to it");
}

static bool write_piece(hid_t dataset, hid_t type, const mpt_part *part, const void *data) {
  hsize_t start[3] = {(hsize_t)part->first, (hsize_t)part->row0, 0};
  hsize_t size[3] = {(hsize_t)part->count, (hsize_t)part->rows, (hsize_t)part->cols};
  if (part->rank == 2) {
    start[1] = 0;
    size[1] = size[2];
  }
  hsize_t count = size[0] * (part->rank > 1 ? size[1] : 1) * (part->rank > 2 ? size[2] : 1);
  if (count == 0) return true;
  hid_t space = H5Dget_space(dataset), memory = H5Screate_simple(1, &count, NULL);
  bool done = H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, size, NULL) >= 0 &&
              H5Dwrite(dataset, type, memory, space, H5P_DEFAULT, data) >= 0;
  H5Sclose(memory);
  H5Sclose(space);
  return done;
}

mpt_code mpt_result_write(mpt_result *r, int64_t d, mpt_field field, int64_t function,
                          const mpt_part *part, const void *data, mpt_error *error) {
  hid_t dataset = *handle_of(r, d, field, function);
  if (dataset < 0) return MPT_DONE;
  hid_t type = mpt_element_type(mpt_fields[field].element, r->shapes[d].type);
  const size_t element = mpt_element_size(mpt_fields[field].element, r->shapes[d].type);
  mpt_part piece = *part;
  bool by_rows = part->rank == 3 && part->count == 1; /* of one matrix, or of a run of problems */
  int64_t total = by_rows ? part->rows : part->count;
  int64_t each = (by_rows ? part->cols : part->rows * part->cols) * (int64_t)element;
  int64_t width = call_bytes / (each > 0 ? each : 1);
  bool done = true;
  errno = 0;
  if (width < 1) width = 1;
  for (int64_t at = 0; done && at < total; at += width) {
    int64_t now = total - at < width ? total - at : width;
    if (by_rows) {
      piece.row0 = part->row0 + at;
      piece.rows = now;
    } else {
      piece.first = part->first + at;
      piece.count = now;
    }
    done = write_piece(dataset, type, &piece, (const char *)data + (size_t)(at * each));
  }
  H5Tclose(type);
  return done ? MPT_DONE : write_failed(r, error);
}

mpt_code mpt_result_finish(mpt_result *r, int64_t d, int64_t first, int64_t count,
                           const int8_t *statuses, mpt_error *error) {
  mpt_code code = MPT_DONE;
  int8_t *copy = NULL;
  if (r->waiting_count == r->waiting_capacity) {
    int64_t capacity = 2 * r->waiting_capacity + 64;
    finished *grown = realloc(r->waiting, sizeof *grown * (size_t)capacity);
    if (!grown) return mpt_no_memory("note statuses", error);
    r->waiting = grown;
    r->waiting_capacity = capacity;
  }
  TRY(mpt_allocate(&copy, count, 1, "statuses", error));
  memcpy(copy, statuses, (size_t)count);
  r->waiting[r->waiting_count++] = (finished){d, first, count, copy};
  r->waiting_problems += count;
done:
  return code;
}

/* The data of this node, whichever handle wrote them. */
static bool sync_data(const mpt_result *r) {
  int file = open(r->path, O_RDONLY);
  bool done = file >= 0 && !fdatasync(file);
  if (file >= 0) close(file);
  return done;
}

mpt_code mpt_result_commit(mpt_result *r, double seconds, mpt_error *error) {
  mpt_code code = MPT_DONE;
  bool due = mpt_now() - r->committed >= seconds || r->waiting_problems > MOST_WAITING;
  if (!due || !r->waiting_count) return MPT_DONE;
  errno = 0;
  if (seconds > 0 && !sync_data(r)) return write_failed(r, error);
  for (int64_t k = 0; k < r->waiting_count; k++) {
    finished *f = &r->waiting[k];
    mpt_part part = mpt_field_part(MPT_STATUS, &r->shapes[f->d], f->first, f->count, 0, 0);
    if (code == MPT_DONE)
      code = mpt_result_write(r, f->d, MPT_STATUS, 0, &part, f->statuses, error);
    free(f->statuses);
  }
  r->waiting_count = r->waiting_problems = 0;
  r->committed = mpt_now();
  return code;
}

mpt_code mpt_result_close(mpt_result *r, mpt_code code, bool complete, mpt_error *error) {
  if (!r) return code;
  MPI_Comm comm = r->comm;
  const bool sealed = r->sealed;
  mpt_error second = {0};
  char *path = r->path;
  int rank;
  MPI_Comm_rank(comm, &rank);
  mpt_code commit = mpt_result_commit(r, 0, &second); /* what is finished is kept in any case */
  if (code == MPT_DONE && commit != MPT_DONE) {
    code = commit;
    *error = second;
  }
  r->path = NULL;
  errno = 0;
  if (!close_handles(r) && code == MPT_DONE)
    code = mpt_fail(error, MPT_BAD_OUTPUT, "cannot finish result '%s': %s (run again to continue)",
                    path, errno ? strerror(errno) : "HDF5 could not close it");
  release_result(r);
  AGREE(comm, code);
  if (rank == 0 && complete && !sealed) code = mpt_mark_complete(path, error);
  AGREE(comm, code);
done:
  free(path);
  return code;
}

int64_t mpt_result_bytes(const mpt_result_spec *spec) {
  int64_t bytes = 0;
  for (int64_t d = 0; d < spec->count; d++)
    for (int f = 0; f < MPT_FIELD_COUNT; f++) {
      int64_t datasets = 0;
      for (int64_t k = 0; k <= spec->function_count; k++)
        datasets += mpt_is_stored(spec, (mpt_field)f, k);
      const mpt_part p = mpt_whole_field((mpt_field)f, &spec->datasets[d]);
      bytes += datasets * p.count * p.rows * p.cols *
               (int64_t)mpt_element_size(mpt_fields[f].element, spec->datasets[d].type);
    }
  return bytes;
}
