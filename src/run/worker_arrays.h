/* The arrays of a worker's piece of a batch: where each is read from and which are written. Private
 * to worker*.c. */
#ifndef MPT_WORKER_ARRAYS_H
#define MPT_WORKER_ARRAYS_H

#include "run/worker.h"

/* A dataset's part in memory: [chunk, its rows on this rank, its columns]. */
typedef struct mpt_array {
  void *data;
  mpt_quantity quantity;
  int function; /* whose it is, where each has one */
  hid_t file;   /* to read it from; H5I_INVALID_HID: not read */
  char *path;   /* there */
} mpt_array;

/* Memory for `chunk` problems of dataset d, as members of the batch. */
mpt_code mpt_arrays_allocate(mpt_worker *worker, int64_t d, mpt_error *error);
void mpt_arrays_release(mpt_worker *worker);

/* Reads what is read, of it from memory what the piece has (NULL: nothing), and writes what the
 * result stores of it. Not collective. */
mpt_code mpt_arrays_read(mpt_worker *worker, const mpt_unit *unit, const mpt_cache_entry *entry,
                         mpt_error *error);
mpt_code mpt_arrays_write(mpt_worker *worker, const mpt_unit *unit, mpt_error *error);

/* Bytes of `count` problems of it. */
size_t mpt_array_bytes(const mpt_worker *worker, const mpt_array *array, int64_t count);

/* Copies to memory what a later pass through these eigenpairs reads. */
void mpt_arrays_cache(mpt_worker *worker, const mpt_unit *unit);

/* A unit's place in memory. */
mpt_cache_entry mpt_unit_entry(const mpt_worker *worker, const mpt_unit *unit);

#endif
