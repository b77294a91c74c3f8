/* A job's files: finding datasets in them, and checking that they do not change. */
#ifndef MPT_JOB_FILES_H
#define MPT_JOB_FILES_H

#include "run/job.h"

/* What the result file is to hold; the caller fills in the rest of the spec. */
mpt_result_spec mpt_job_spec(const mpt_job *job);

/* "/a/b/eigenvalues" for dataset d. `function` counts only for quantities with one dataset for each
 * function. The caller frees it. */
char *mpt_job_path(const mpt_job *job, int64_t d, mpt_quantity quantity, int64_t function);

/* Whether the file has this quantity of dataset d. Fails when it is there but its shape or type
 * does not fit. */
mpt_code mpt_job_expect(const mpt_job *job, hid_t file, const char *file_name, int64_t d,
                        mpt_quantity quantity, int64_t function, bool *exists, mpt_error *error);

/* Starts to watch a file that was just opened. */
void mpt_job_watch(mpt_job *job, hid_t file, const char *what, const char *name);

/* mpt_open_for_reading for one of the job's files, which is watched from then on. */
mpt_code mpt_job_open_file(mpt_job *job, const char *name, const char *what, hid_t *file,
                           mpt_error *error);

/* Calls mpt_watch_hash for every file. With eigenpairs in memory, their file is not hashed: it is
 * not read, and its result_id has identified it. */
void mpt_job_hash(mpt_job *job, bool eigenpairs_in_memory);

/* MPT_BAD_INPUT when a file that was read has changed. The first is for after each reading; the
 * second is for one rank at the end (mpt_watch_end). */
mpt_code mpt_job_look(const mpt_job *job, mpt_error *error);
mpt_code mpt_job_look_again(const mpt_job *job, bool *doubt, mpt_error *error);

#endif
