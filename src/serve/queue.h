/* Rank 0's queue: which requests are served next, and by which ranks. */
#ifndef MPT_QUEUE_H
#define MPT_QUEUE_H

#include "serve/status_writer.h"
#include "serve/request.h"

enum { MPT_MOST_MERGED = 64, MPT_HOLDERS = 1024 };

typedef struct mpt_queue {
  const mpt_spool *spool;
  mpt_status_writer *writer;
  int ranks;
  mpt_requests waiting; /* at first those left by an earlier service, then new ones */
  int64_t next;
  bool accepted;                      /* they were accepted by an earlier service */
  bool alone;                         /* the batch is one such request */
  char *suspect;                      /* a request during which services ended */
  int endings;                        /* how many of them */
  mpt_request batch[MPT_MOST_MERGED]; /* to be served now, by one rank each or one by all */
  int count;
  bool by_all, ends;  /* ends: no further request is accepted */
  mpt_request held;   /* read already, to be served after the batch; its name is NULL: none */
  struct mpt_holder { /* the rank that has a request's result in memory, by a hash of its path */
    uint64_t path;
    int rank;
  } holders[MPT_HOLDERS];
  int64_t holder_count;
} mpt_queue;

/* Takes over the requests that an earlier service had accepted. */
void mpt_queue_open(mpt_queue *queue, const mpt_spool *spool, mpt_status_writer *writer, int ranks);
void mpt_queue_close(mpt_queue *queue);

/* Waits for requests and fills the batch in order of arrival; false when the service is to end. */
bool mpt_queue_next(mpt_queue *queue);

/* Call when the batch has been answered. */
void mpt_queue_clear(mpt_queue *queue);

#endif
