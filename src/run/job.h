/* A job as its files describe it, opened and checked before anything is computed. Not collective:
 * each rank opens the files for itself. */
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
  mpt_watch watched[MPT_MOST_WATCHED]; /* the files above, watched since they were opened */
  int watched_count;
  bool each_reference;            /* there is one R for each problem */
  mpt_stored_function *functions; /* the config's functions, by name */
  mpt_task *tasks;                /* per dataset */
  mpt_quantityset quantities;     /* those that the result stores */
} mpt_job;

/* The file that a dataset's quantity is read from; H5I_INVALID_HID: it is not read. */
hid_t mpt_job_file(const mpt_job *job, int64_t d, mpt_quantity quantity);

/* Opens all files that the config names and checks that they fit together. Takes *config over, also
 * on failure. */
mpt_code mpt_job_open(mpt_config *config, mpt_job *job, mpt_error *error);
void mpt_job_close(mpt_job *job);

/* Fails unless the earlier result's eigenpairs are complete and belong to the input with this
 * fingerprint. */
mpt_code mpt_job_check_eigenpairs(const mpt_job *job, const char *fingerprint, mpt_error *error);

/* Adds the arrays that a second pass through a selection needs besides the selected eigenpairs. */
void mpt_job_use_memory(mpt_job *job);

#endif
