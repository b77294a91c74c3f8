/* A job's files: what is looked for in them, and that they stay what they were. */
#ifndef MPT_JOB_FILES_H
#define MPT_JOB_FILES_H

#include "run/job.h"

/* What the result file is to hold; the rest of the spec is the caller's. */
mpt_result_spec mpt_job_spec(const mpt_job *job);

/* "/a/b/eigenvalues" for dataset d; function counts where there is a dataset for each. The caller
 * frees it. */
char *mpt_job_path(const mpt_job *job, int64_t d, mpt_quantity quantity, int64_t function);

/* Whether the file has the quantity of dataset d, and as the result has it. */
mpt_code mpt_job_expect(const mpt_job *job, hid_t file, const char *file_name, int64_t d,
                        mpt_quantity quantity, int64_t function, bool *exists, mpt_error *error);

/* Watches a file that was just opened. */
void mpt_job_watch(mpt_job *job, hid_t file, const char *what, const char *name);

/* mpt_open_for_reading for a file of the job's, which is watched from then on. */
mpt_code mpt_job_open_file(mpt_job *job, const char *name, const char *what, hid_t *file,
                           mpt_error *error);

/* mpt_watch_hash of all; what is in memory is not read from the file of the eigenpairs, which was
 * known by its making. */
void mpt_job_hash(mpt_job *job, bool eigenpairs_in_memory);

/* MPT_BAD_INPUT when a file that was read is no longer what it was: after each reading, and, by one
 * rank, at the end (mpt_watch_end). */
mpt_code mpt_job_look(const mpt_job *job, mpt_error *error);
mpt_code mpt_job_look_again(const mpt_job *job, bool *doubt, mpt_error *error);

#endif
