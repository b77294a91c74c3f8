/* One request, from its text to its answer. */
#ifndef MPT_REQUEST_H
#define MPT_REQUEST_H

#include "run/run.h"
#include "serve/spool.h"

typedef struct mpt_request {
  char *name, *text; /* NULL text: it could not be read */
  double started;
  int rank;    /* that serves it alone */
  bool loaded; /* its config was understood, and was there to be run */
  mpt_job_run job;
} mpt_request;

/* Reads an accepted request and takes its name over; job.code and job.error tell what is wrong with
 * it. */
void mpt_request_read(const mpt_spool *spool, char *name, mpt_request *request);

/* Its config, of the text that another rank has read. */
void mpt_request_parse(const mpt_spool *spool, mpt_request *request);

/* Writes the answer, unless the request was left to a later service (false). */
bool mpt_request_answer(const mpt_spool *spool, const mpt_request *request);

void mpt_request_release(mpt_request *request);

/* How requests ended, as numbers that can be added up. */
typedef struct mpt_tally {
  int64_t done, failed, left, problems, recalled;
} mpt_tally;
void mpt_tally_add(mpt_tally *tally, const mpt_request *request);

#endif
