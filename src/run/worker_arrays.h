/* The arrays of a worker's piece of a batch: where each is read from, and which are written.
 * Private to worker*.c. */
#ifndef MPT_WORKER_ARRAYS_H
#define MPT_WORKER_ARRAYS_H

#include "run/worker.h"

/* An array of a dataset in memory: [chunk, rows on this rank, columns]. */
typedef struct mpt_array {
  void *data;
  mpt_quantity quantity;
  int function; /* its number, where each function has one */
  hid_t file;   /* the file to read it from; H5I_INVALID_HID: not read */
  char *path;   /* its path in that file */
} mpt_array;

/* Allocates the arrays for `chunk` problems of dataset d, as members of the batch. */
mpt_code mpt_arrays_allocate(mpt_worker *worker, int64_t d, mpt_error *error);
void mpt_arrays_release(mpt_worker *worker);

/* The first reads the arrays that are inputs, from `entry` what it holds (NULL: nothing). The
 * second writes those that the result stores. Not collective. */
mpt_code mpt_arrays_read(mpt_worker *worker, const mpt_unit *unit, const mpt_cache_entry *entry,
                         mpt_error *error);
mpt_code mpt_arrays_write(mpt_worker *worker, const mpt_unit *unit, mpt_error *error);

/* Bytes of `count` problems of the array. */
size_t mpt_array_bytes(const mpt_worker *worker, const mpt_array *array, int64_t count);

/* Copies to the cache what a later pass through these eigenpairs reads. */
void mpt_arrays_cache(mpt_worker *worker, const mpt_unit *unit);

/* The key of a unit's entry in the cache. */
mpt_cache_entry mpt_unit_entry(const mpt_worker *worker, const mpt_unit *unit);

#endif
