/* The result file. It is created complete before the first problem, filled by all ranks, and can be
 * continued after any interruption. The order of writes makes it durable: all objects are created
 * and flushed first, then a problem's data are written, then (after fsync) its status. */
#ifndef MPT_RESULT_H
#define MPT_RESULT_H

#include <mpi.h>
#include "store/spec.h"

typedef struct mpt_result mpt_result;

/* Takes the result's lock, and creates the file or continues an unfinished one of the same job
 * (*continued). Refuses a file of another job unless `fresh`, and always a file that is no result.
 * MPT_BAD_OUTPUT when another job has the lock. Sets statuses[d] to the [count] statuses so far,
 * which the caller frees. Collective and agreed. */
mpt_code mpt_result_open(MPI_Comm comm, const mpt_result_spec *spec, bool fresh,
                         mpt_result **result, int8_t **statuses, bool *continued, mpt_error *error);

/* The file's attribute `result_id`: 16 digits that are unique to the creation of this file; "" in a
 * file of an earlier version without the attribute. Not collective. */
void mpt_result_id(const mpt_result *result, char out[17]);

/* Writes a part of a quantity of dataset d from contiguous memory (where there is a dataset for
 * each function, that of number `function`). Does nothing for a quantity that is not stored. Not
 * collective. */
mpt_code mpt_result_write(mpt_result *result, int64_t d, mpt_quantity quantity, int64_t function,
                          const mpt_slab *part, const void *data, mpt_error *error);

/* States that the data of `count` problems from `first` are written, with these statuses. The
 * statuses reach the file with the next commit. Not collective. */
mpt_code mpt_result_finish(mpt_result *result, int64_t d, int64_t first, int64_t count,
                           const int8_t *statuses, mpt_error *error);

/* With `sync`, syncs to the disk what this node has written. Needed for a problem whose parts are
 * written by several ranks: the rank that finishes it syncs only its own node. Not collective. */
mpt_code mpt_result_sync(const mpt_result *result, mpt_error *error);

/* Writes the statuses of finished problems if the last commit is `seconds` ago or many problems
 * wait; with `sync`, first syncs their data to the disk. Not collective. */
mpt_code mpt_result_commit(mpt_result *result, double seconds, mpt_error *error);

/* Takes back what this run has finished: the statuses become again those that mpt_result_open gave.
 * Collective and agreed. */
mpt_code mpt_result_revoke(mpt_result *result, int8_t *const *statuses, mpt_error *error);

/* Commits and closes. With `complete` it marks the file as complete, if this succeeds and `code`,
 * the outcome of each rank's work, is MPT_DONE on all ranks. Collective and agreed. */
mpt_code mpt_result_close(mpt_result *result, mpt_code code, bool complete, mpt_error *error);

/* Total bytes of the datasets, as `plan` reports them. */
int64_t mpt_result_bytes(const mpt_result_spec *spec);

#endif
