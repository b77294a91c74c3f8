/* Rank 0's view of what waits: which requests are served next, and by whom. */
#ifndef MPT_QUEUE_H
#define MPT_QUEUE_H

#include "serve/status_writer.h"
#include "serve/request.h"

enum { MPT_MOST_MERGED = 64, MPT_HOLDERS = 1024 };

typedef struct mpt_queue {
  const mpt_spool *spool;
  mpt_status_writer *writer;
  int ranks;
  mpt_requests waiting; /* an earlier service's at first, then those that arrived */
  int64_t next;
  bool accepted;                      /* they are: an earlier service's */
  bool alone;                         /* the batch is one of these */
  char *suspect;                      /* in the middle of which services ended */
  int endings;                        /* how many */
  mpt_request batch[MPT_MOST_MERGED]; /* to be served now, by one rank each; or one by all */
  int count;
  bool by_all, ends;  /* ends: nothing more is accepted */
  mpt_request held;   /* read, and to be served after the batch; its name is NULL: none */
  struct mpt_holder { /* which rank has a small request's result in memory, by a hash of its path */
    uint64_t path;
    int rank;
  } holders[MPT_HOLDERS];
  int64_t holder_count;
} mpt_queue;

/* Takes up what an earlier service had accepted. */
void mpt_queue_open(mpt_queue *queue, const mpt_spool *spool, mpt_status_writer *writer, int ranks);
void mpt_queue_close(mpt_queue *queue);

/* Waits for requests and fills the batch, in order of arrival; false when the service is to end. */
bool mpt_queue_next(mpt_queue *queue);

/* The batch has been answered. */
void mpt_queue_clear(mpt_queue *queue);

#endif
