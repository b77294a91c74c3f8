/* A thread that rewrites status.json every second, while the ranks work. */
#ifndef MPT_STATUS_WRITER_H
#define MPT_STATUS_WRITER_H

#include "serve/request.h"

typedef struct mpt_status_writer mpt_status_writer;

/* NULL when no thread can be started; then there is no status. */
mpt_status_writer *mpt_status_writer_start(const mpt_spool *spool, int ranks);

/* Sets the request in hand (NULL: none) and the number of requests that wait. */
void mpt_status_writer_set(mpt_status_writer *writer, const char *request, int64_t waiting);

/* Adds to the counts of requests that were answered. */
void mpt_status_writer_count(mpt_status_writer *writer, const mpt_tally *tally);

/* Writes the last status, "stopped", and ends the thread. */
void mpt_status_writer_stop(mpt_status_writer *writer);

#endif
