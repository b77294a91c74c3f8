#include "store/result.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "mpi/agree.h"
#include "store/create.h"
#include "store/destination.h"
#include "store/lock.h"
#include "store/shape.h"
#include "store/find.h"

/* When more problems than this are finished, they are committed at once. */
enum { MOST_WAITING = 1 << 20 };
static const int64_t call_bytes = INT64_C(1) << 29; /* MPI-IO counts bytes in 32 bits */

typedef struct finished {
  int64_t d, first, count;
  int8_t *statuses;
} finished;

struct mpt_result {
  MPI_Comm comm;
  int rank;
  char *path; /* of the file itself, with links resolved */
  mpt_lock lock;
  int raw; /* the same file, to sync it and to check that it is still there */
  bool sync;
  hid_t file, *datasets; /* indexed by handle_of(); H5I_INVALID_HID where not stored */
  int64_t functions;     /* datasets of a quantity, at most */
  mpt_dataset *shapes;   /* their paths stay the spec's */
  int64_t count;
  bool sealed; /* complete already: opened for reading and not changed */
  finished *waiting;
  int64_t waiting_count, waiting_capacity, waiting_problems;
  double committed;
};

static hid_t *handle_of(const mpt_result *r, int64_t d, mpt_quantity quantity, int64_t function) {
  return &r->datasets[(d * MPT_QUANTITY_COUNT + (int64_t)quantity) * r->functions + function];
}

/* A name without a colon: ROMIO takes what precedes a colon for a kind of file system. */
static char *name_for_mpi(const mpt_result *r) {
  char *alias = mpt_format("/proc/self/fd/%d", r->raw);
  if (strchr(r->path, ':') && alias && access(alias, F_OK) == 0) return alias;
  free(alias);
  return mpt_format("%s%s", strchr(r->path, ':') ? "ufs:" : "", r->path);
}

static mpt_code not_on_every_rank(const mpt_result *r, mpt_error *error) {
  return mpt_fail(error, MPT_BAD_OUTPUT,
                  "cannot write result '%s': it does not open on every rank (use a file system "
                  "that all nodes share)",
                  r->path);
}

/* Every rank opens the file independently: its space is allocated, so ranks write disjoint elements
 * without collective calls. If it were opened collectively, a write that fails on one rank while
 * the file is closed would leave the others waiting for ever. */
static mpt_code open_file(mpt_result *r, const mpt_result_spec *spec, mpt_error *error) {
  r->raw = open(r->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  char *name = name_for_mpi(r);
  hid_t how = H5Pcreate(H5P_FILE_ACCESS);
  /* The MPI-IO driver is used because other drivers buffer data that other ranks write. */
  if (name && H5Pset_fapl_mpio(how, MPI_COMM_SELF, MPI_INFO_NULL) >= 0)
    r->file = H5Fopen(name, r->sealed ? H5F_ACC_RDONLY : H5F_ACC_RDWR, how);
  H5Pclose(how);
  free(name);
  if (r->raw < 0 || r->file < 0) return not_on_every_rank(r, error);
  if (mpt_is_same_job(r->file, spec)) return MPT_DONE;
  return mpt_fail(error, MPT_BAD_OUTPUT,
                  "cannot write result '%s': it was replaced while it was opened (let one job at "
                  "a time write it)",
                  r->path);
}

static mpt_code open_datasets(mpt_result *r, const mpt_result_spec *spec, mpt_error *error) {
  bool done = true;
  for (int64_t d = 0; d < spec->count; d++)
    for (int f = 0; f < MPT_QUANTITY_COUNT; f++)
      for (int64_t k = 0; k < r->functions; k++) {
        if (!mpt_is_stored(spec, (mpt_quantity)f, k)) continue;
        char *path = mpt_quantity_path(spec, d, (mpt_quantity)f, k);
        hid_t *handle = handle_of(r, d, (mpt_quantity)f, k);
        *handle = path ? H5Dopen(r->file, path, H5P_DEFAULT) : H5I_INVALID_HID;
        done &= *handle >= 0;
        free(path);
      }
  return done ? MPT_DONE : not_on_every_rank(r, error);
}

static mpt_code read_statuses(mpt_result *r, int8_t **statuses, mpt_error *error) {
  mpt_code code = MPT_DONE;
  for (int64_t d = 0; d < r->count; d++)
    TRY(mpt_allocate(&statuses[d], r->shapes[d].count, 1, "statuses", error));
  if (r->rank != 0) return MPT_DONE;
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
  *r = (mpt_result){.comm = comm,
                    .count = spec->count,
                    .file = H5I_INVALID_HID,
                    .raw = -1,
                    .lock = {.file = -1},
                    .sync = spec->sync,
                    .committed = mpt_now()};
  MPI_Comm_rank(comm, &r->rank);
  r->functions = spec->function_count > 0 ? spec->function_count : 1;
  TRY(mpt_allocate(&r->datasets, spec->count * MPT_QUANTITY_COUNT * r->functions,
                   sizeof *r->datasets, "the result", error));
  for (int64_t k = 0; k < spec->count * MPT_QUANTITY_COUNT * r->functions; k++)
    r->datasets[k] = H5I_INVALID_HID;
  TRY(mpt_allocate(&r->shapes, spec->count, sizeof *r->shapes, "the result", error));
  memcpy(r->shapes, spec->datasets, sizeof *r->shapes * (size_t)spec->count);
done:
  return code;
}

static void release_result(mpt_result *r) {
  if (!r) return;
  if (r->raw >= 0) close(r->raw);
  mpt_lock_release(&r->lock, r->rank == 0);
  for (int64_t k = 0; k < r->waiting_count; k++) free(r->waiting[k].statuses);
  free(r->waiting);
  free(r->datasets);
  free(r->shapes);
  free(r->path);
  free(r);
}

static bool close_handles(mpt_result *r) {
  bool done = true;
  const int64_t handles = r->count * MPT_QUANTITY_COUNT * r->functions;
  for (int64_t k = 0; r->file >= 0 && k < handles; k++)
    if (r->datasets[k] >= 0) done &= H5Dclose(r->datasets[k]) >= 0;
  if (r->file >= 0) done &= H5Fclose(r->file) >= 0;
  r->file = H5I_INVALID_HID;
  return done;
}

static mpt_code write_failed(const mpt_result *r, mpt_error *error) {
  return mpt_fail(
      error, MPT_BAD_OUTPUT,
      "cannot write result '%s': %s (what is finished is kept; free space and run again "
      "to continue)",
      r->path, errno ? strerror(errno) : "HDF5 could not write to it");
}

/* A complete result in a directory that cannot be written to needs no lock. */
static bool needs_no_lock(const mpt_result *r, const mpt_result_spec *spec, bool fresh) {
  mpt_error ignored;
  bool complete = false;
  return !fresh && (r->lock.refused == EACCES || r->lock.refused == EROFS) &&
         access(r->path, F_OK) == 0 && mpt_check_same_job(spec, &complete, &ignored) == MPT_DONE &&
         complete;
}

/* The first rank's part: checks which job the file belongs to and what is in it, and creates it. */
static mpt_code prepare_file(mpt_result *r, mpt_result_spec *spec, bool fresh, bool *continued,
                             mpt_error *error) {
  mpt_code code = MPT_DONE;
  bool exists = false;
  int ranks;
  MPI_Comm_size(r->comm, &ranks);
  TRY(mpt_destination_find(spec->path, fresh, &r->path, error));
  spec->path = r->path;
  code = mpt_lock_take(r->path, ranks > 1, &r->lock, error);
  if (code != MPT_DONE && !needs_no_lock(r, spec, fresh)) return code;
  TRY(mpt_destination_check(r->path, fresh, &exists, error));
  *continued = exists && !fresh;
  if (*continued) TRY(mpt_check_same_job(spec, &r->sealed, error));
  if (*continued && !r->sealed) TRY(mpt_destination_is_alone(r->path, error));
  if (!*continued) TRY(mpt_create_result(spec, r->lock.draft, exists, error));
  if (!*continued && r->sync && !mpt_sync_directory(r->path)) TRY(write_failed(r, error));
done:
  return code;
}

/* Shares with the other ranks what the first has found; they join the lock. Collective. */
static mpt_code share_file(mpt_result *r, bool *continued, mpt_error *error) {
  mpt_code code = MPT_DONE;
  int found[3] = {*continued, r->sealed, r->lock.file >= 0 && !r->lock.useless};
  TRY_COLL(mpt_share_text(r->comm, &r->path, error)); /* the first rank's path is already set */
  MPI_Bcast(found, 3, MPI_INT, 0, r->comm);
  *continued = found[0];
  r->sealed = found[1];
  if (found[2] && r->rank != 0) code = mpt_lock_join(r->path, &r->lock, error);
  AGREE(r->comm, code);
done:
  return code;
}

/* Broadcasts the statuses in pieces that an int can count. Collective. */
static void share_statuses(const mpt_result *r, int8_t **statuses) {
  for (int64_t d = 0; d < r->count; d++)
    for (int64_t at = 0; at < r->shapes[d].count; at += INT32_MAX) {
      int64_t rest = r->shapes[d].count - at;
      MPI_Bcast(statuses[d] + at, (int)(rest < INT32_MAX ? rest : INT32_MAX), MPI_INT8_T, 0,
                r->comm);
    }
}

mpt_code mpt_result_open(MPI_Comm comm, const mpt_result_spec *given, bool fresh, mpt_result **out,
                         int8_t **statuses, bool *continued, mpt_error *error) {
  mpt_code code = MPT_DONE;
  mpt_result *r = NULL;
  mpt_result_spec spec = *given;
  H5Eset_auto(H5E_DEFAULT, NULL, NULL);
  *out = NULL;
  AGREE(comm, allocate_result(comm, &spec, &r, error));
  if (r->rank == 0) code = prepare_file(r, &spec, fresh, continued, error);
  AGREE(comm, code);
  TRY_COLL(share_file(r, continued, error));
  AGREE(comm, open_file(r, &spec, error));
  AGREE(comm, open_datasets(r, &spec, error));
  AGREE(comm, read_statuses(r, statuses, error));
  share_statuses(r, statuses);
  *out = r;
  return MPT_DONE;
done:
  if (r) close_handles(r);
  release_result(r);
  return code;
}

void mpt_result_id(const mpt_result *r, char out[17]) {
  char *id;
  mpt_find_text(r->file, "result_id", &id, NULL);
  memset(out, 0, 17);
  if (id) strncpy(out, id, 16);
  free(id);
}

static bool write_piece(hid_t dataset, hid_t type, const mpt_slab *part, const void *data) {
  hsize_t count = (hsize_t)(part->count * part->rows * part->cols);
  if (count == 0) return true;
  hid_t space = H5Dget_space(dataset), memory = H5Screate_simple(1, &count, NULL);
  bool done = mpt_select_slab(space, part) &&
              H5Dwrite(dataset, type, memory, space, H5P_DEFAULT, data) >= 0;
  H5Sclose(memory);
  H5Sclose(space);
  return done;
}

mpt_code mpt_result_write(mpt_result *r, int64_t d, mpt_quantity quantity, int64_t function,
                          const mpt_slab *part, const void *data, mpt_error *error) {
  hid_t dataset = *handle_of(r, d, quantity, function);
  if (dataset < 0) return MPT_DONE;
  hid_t type = mpt_element_type(mpt_quantities[quantity].element, r->shapes[d].type);
  const size_t element = mpt_element_size(mpt_quantities[quantity].element, r->shapes[d].type);
  mpt_slab piece = *part;
  bool by_rows = part->rank == 3 && part->count == 1; /* not by problems */
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

/* Syncs what this node has written, through whichever handle it was written. */
static bool sync_node(const mpt_result *r) {
  return !r->sync || !fdatasync(r->raw);
}

mpt_code mpt_result_sync(const mpt_result *r, mpt_error *error) {
  errno = 0;
  return sync_node(r) ? MPT_DONE : write_failed(r, error);
}

mpt_code mpt_result_commit(mpt_result *r, double seconds, mpt_error *error) {
  mpt_code code = MPT_DONE;
  bool due = mpt_now() - r->committed >= seconds || r->waiting_problems > MOST_WAITING;
  if (!due || !r->waiting_count) return MPT_DONE;
  TRY(mpt_result_sync(r, error));
  for (int64_t k = 0; k < r->waiting_count; k++) {
    finished *f = &r->waiting[k];
    mpt_slab part = mpt_quantity_slab(MPT_STATUS, &r->shapes[f->d], f->first, f->count, 0, 0);
    if (code == MPT_DONE)
      code = mpt_result_write(r, f->d, MPT_STATUS, 0, &part, f->statuses, error);
    free(f->statuses);
  }
  r->waiting_count = r->waiting_problems = 0;
  r->committed = mpt_now();
done:
  return code;
}

mpt_code mpt_result_revoke(mpt_result *r, int8_t *const *statuses, mpt_error *error) {
  mpt_code code = MPT_DONE;
  for (int64_t k = 0; k < r->waiting_count; k++) free(r->waiting[k].statuses);
  r->waiting_count = r->waiting_problems = 0;
  MPI_Barrier(r->comm); /* every rank has done its last write */
  for (int64_t d = 0; d < r->count && r->rank == 0 && code == MPT_DONE; d++) {
    const mpt_slab all = mpt_quantity_slab(MPT_STATUS, &r->shapes[d], 0, r->shapes[d].count, 0, 0);
    code = mpt_result_write(r, d, MPT_STATUS, 0, &all, statuses[d], error);
  }
  if (code != MPT_DONE)
    mpt_fail(error, code,
             "cannot take back what this run has written to result '%s': %s (a file that it read "
             "was changed meanwhile: use --fresh, or remove the result)",
             r->path, errno ? strerror(errno) : "HDF5 could not write to it");
  return mpt_agree(r->comm, code, error);
}

/* Fails unless the path still names the file that was written. */
static mpt_code still_there(const mpt_result *r, mpt_error *error) {
  struct stat mine, there;
  if (fstat(r->raw, &mine) || stat(r->path, &there) || mine.st_dev != there.st_dev ||
      mine.st_ino != there.st_ino)
    return mpt_fail(error, MPT_BAD_OUTPUT,
                    "cannot finish result '%s': it was removed or replaced during the run (run "
                    "again)",
                    r->path);
  if (mpt_lock_stands(&r->lock)) return MPT_DONE;
  return mpt_fail(error, MPT_BAD_OUTPUT,
                  "cannot finish result '%s': its lock was removed, or another job has taken it "
                  "(run again, one job at a time)",
                  r->path);
}

/* Writes the statuses first, and then the mark that all of them are there. Collective. */
static mpt_code finish_file(mpt_result *r, mpt_code code, bool complete, mpt_error *error) {
  mpt_error second = {0};
  mpt_code commit = mpt_result_commit(r, 0, &second); /* finished problems are kept in any case */
  if (commit == MPT_DONE && !r->sealed) commit = mpt_result_sync(r, &second);
  if (commit == MPT_DONE && r->rank == 0 && complete && !r->sealed)
    commit = still_there(r, &second);
  if (code == MPT_DONE && commit != MPT_DONE) {
    code = commit;
    *error = second;
  }
  AGREE(r->comm, code);
done:
  return code;
}

/* The first rank marks the file, once no other rank has it open: a rank that closes it later could
 * undo the mark. */
static mpt_code close_file(mpt_result *r, mpt_code code, bool complete, mpt_error *error) {
  errno = 0;
  if (code == MPT_DONE && complete && !r->sealed && !mpt_mark_complete(r->file))
    code = write_failed(r, error);
  if (!close_handles(r) && code == MPT_DONE)
    code = mpt_fail(error, MPT_BAD_OUTPUT, "cannot finish result '%s': %s (run again to continue)",
                    r->path, errno ? strerror(errno) : "HDF5 could not close it");
  if (code == MPT_DONE && !r->sealed && !sync_node(r)) code = write_failed(r, error);
  return code;
}

mpt_code mpt_result_close(mpt_result *r, mpt_code code, bool complete, mpt_error *error) {
  if (!r) return code;
  MPI_Comm comm = r->comm;
  code = finish_file(r, code, complete, error);
  if (r->rank != 0) code = close_file(r, code, false, error);
  code = mpt_agree(comm, code, error);
  if (r->rank == 0) code = close_file(r, code, complete, error);
  code = mpt_agree(comm, code, error);
  release_result(r);
  return code;
}

int64_t mpt_result_bytes(const mpt_result_spec *spec) {
  int64_t bytes = 0;
  for (int64_t d = 0; d < spec->count; d++)
    for (int f = 0; f < MPT_QUANTITY_COUNT; f++) {
      int64_t datasets = 0;
      for (int64_t k = 0; k <= spec->function_count; k++)
        datasets += mpt_is_stored(spec, (mpt_quantity)f, k);
      const mpt_slab p = mpt_whole_quantity((mpt_quantity)f, &spec->datasets[d]);
      bytes += datasets * p.count * p.rows * p.cols *
               (int64_t)mpt_element_size(mpt_quantities[f].element, spec->datasets[d].type);
    }
  return bytes;
}
