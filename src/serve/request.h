/* One request, from its text to its answer. */
#ifndef MPT_REQUEST_H
#define MPT_REQUEST_H

#include "run/run.h"
#include "serve/spool.h"

typedef struct mpt_request {
  char *name, *text; /* text is NULL: the request could not be read */
  double started;
  int rank;    /* the rank that serves it alone */
  bool loaded; /* its config was valid and could be run */
  mpt_job_run job;
} mpt_request;

/* Reads an accepted request and takes its name over. job.code and job.error describe what is wrong
 * with it. */
void mpt_request_read(const mpt_spool *spool, char *name, mpt_request *request);

/* Loads the config from a text that another rank has read. */
void mpt_request_parse(const mpt_spool *spool, mpt_request *request);

/* Writes the answer; false, without an answer, when the request is left to a later service. */
bool mpt_request_answer(const mpt_spool *spool, const mpt_request *request);

void mpt_request_release(mpt_request *request);

/* Counts of how requests ended, to be added up. */
typedef struct mpt_tally {
  int64_t done, failed, left, problems, recalled;
} mpt_tally;
void mpt_tally_add(mpt_tally *tally, const mpt_request *request);

#endif
