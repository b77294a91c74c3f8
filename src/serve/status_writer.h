/* A thread that rewrites status.json every second, whatever the ranks do. */
#ifndef MPT_STATUS_WRITER_H
#define MPT_STATUS_WRITER_H

#include "serve/request.h"

typedef struct mpt_status_writer mpt_status_writer;

/* NULL when there is no thread to be had: then there is no status. */
mpt_status_writer *mpt_status_writer_start(const mpt_spool *spool, int ranks);

/* What the service is at: the request in hand (NULL: none) and how many wait behind it. */
void mpt_status_writer_set(mpt_status_writer *writer, const char *request, int64_t waiting);

/* So many more were answered. */
void mpt_status_writer_count(mpt_status_writer *writer, const mpt_tally *tally);

/* Writes the last status, "stopped". */
void mpt_status_writer_stop(mpt_status_writer *writer);

#endif
