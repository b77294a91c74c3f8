/* A job as its files describe it, opened and checked, before anything is computed. Not collective:
 * each rank opens for itself. */
#ifndef MPT_JOB_H
#define MPT_JOB_H

#include "config/config.h"
#include "engine/engine.h"
#include "plan/plan.h"
#include "store/result.h"
#include "store/watch.h"

enum { MPT_MOST_WATCHED = 5 };

typedef struct mpt_job {
  mpt_config config; /* taken over */
  mpt_options options;
  mpt_input input;
  hid_t cotangents, eigenpairs, reference, direction; /* H5I_INVALID_HID: none */
  mpt_watch watched[MPT_MOST_WATCHED];                /* these files, from when they were opened */
  int watched_count;
  bool each_reference;            /* one a problem */
  mpt_stored_function *functions; /* of the config, by name */
  struct mpt_sources {            /* which cotangents there are, and a direction, per dataset */
    bool values, vectors, frame, direction, factor;
    bool *functions; /* [functions of the config] */
  } * sources;
  mpt_task *tasks;     /* per dataset */
  mpt_fieldset fields; /* that the result stores */
} mpt_job;

/* Opens all files that the config names and checks that they fit together. Takes *config over, also
 * on failure. */
mpt_code mpt_job_open(mpt_config *config, mpt_job *job, mpt_error *error);
void mpt_job_close(mpt_job *job);

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

/* The earlier result's eigenpairs must be complete, and of the input with this fingerprint. */
mpt_code mpt_job_check_eigenpairs(const mpt_job *job, const char *fingerprint, mpt_error *error);

/* Memory for what a second pass through a selection needs besides the selected pairs. */
void mpt_job_use_memory(mpt_job *job);

/* "/a/b/eigenvalues" for dataset d; function counts where there is a dataset for each. The caller
 * frees it. */
char *mpt_job_path(const mpt_job *job, int64_t d, mpt_field field, int64_t function);

/* What the result file is to hold; the rest of the spec is the caller's. */
mpt_result_spec mpt_job_spec(const mpt_job *job);

#endif
