/* The result file: created whole before the first problem, filled by all ranks, continued after any
 * end. The write order is the durability: all objects are created and flushed first, then a
 * problem's data, then (after fsync) its status. */
#ifndef MPT_RESULT_H
#define MPT_RESULT_H

#include <mpi.h>
#include "store/spec.h"

typedef struct mpt_result mpt_result;

/* Takes the result's lock, and creates the file, or goes on with an unfinished one of the same job
 * (*continued). A file of another job is refused unless `fresh`, one that is no result in any case,
 * and MPT_BAD_OUTPUT it is when another job has the lock. statuses[d] is set to the
 * [count] statuses so far, allocated for the caller. Collective and agreed. */
mpt_code mpt_result_open(MPI_Comm comm, const mpt_result_spec *spec, bool fresh,
                         mpt_result **result, int8_t **statuses, bool *continued, mpt_error *error);

/* The file's attribute `result_id`: 16 digits that no other making of a result has; "" in a file of
 * a version without. Not collective. */
void mpt_result_id(const mpt_result *result, char out[17]);

/* Writes a part of a quantity of dataset d (function number `function` of it, where there is one
 * for each) from contiguous memory. Nothing happens for what is not stored. Not collective. */
mpt_code mpt_result_write(mpt_result *result, int64_t d, mpt_quantity quantity, int64_t function,
                          const mpt_slab *part, const void *data, mpt_error *error);

/* Says that the data of `count` problems from `first` are written, with these statuses. They reach
 * the file with the next commit. Not collective. */
mpt_code mpt_result_finish(mpt_result *result, int64_t d, int64_t first, int64_t count,
                           const int8_t *statuses, mpt_error *error);

/* Brings what this node has written to the disk, under `sync`: for the parts of a problem that
 * other ranks than the one that finishes it have written. Not collective. */
mpt_code mpt_result_sync(const mpt_result *result, mpt_error *error);

/* Writes the finished problems' statuses when the last commit is `seconds` ago or many problems
 * wait, after bringing their data to the disk under `sync`. Not collective. */
mpt_code mpt_result_commit(mpt_result *result, double seconds, mpt_error *error);

/* Takes back what this run has finished: the statuses are again what mpt_result_open gave.
 * Collective, and agreed. */
mpt_code mpt_result_revoke(mpt_result *result, int8_t *const *statuses, mpt_error *error);

/* Commits, closes, and with `complete` marks the file so. `code` is what this rank's work gave;
 * the file is marked only when all is well. Collective and agreed. */
mpt_code mpt_result_close(mpt_result *result, mpt_code code, bool complete, mpt_error *error);

/* Bytes of the datasets, as `plan` tells them. */
int64_t mpt_result_bytes(const mpt_result_spec *spec);

#endif
