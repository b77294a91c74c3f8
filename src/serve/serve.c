#define _GNU_SOURCE
#include "serve/serve.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "mpi/agree.h"
#include "serve/queue.h"
#include "run/stop.h"

enum { CACHE_SHARE = 4, HELD_MEMORY = 32 << 20 }; /* of a rank's memory, for results; bytes */
static const double shortest_nap = 2e-5; /* seconds that a rank sleeps while it waits for rank 0 */
static const double longest_nap = 0.005; /* the same, long after the last request */
static const double attentive_time = 0.05; /* after work or an arrival, before naps get longer */

/* What rank 0 tells the others: the number of requests that are served by one rank each, or one of
 * these. */
enum { THE_END = 0, ONE_BY_ALL = -1, STOPPED = -2 };

typedef struct service {
  MPI_Comm comm;
  int rank;
  mpt_cache cache;
  mpt_spool spool; /* on other ranks than 0 only for answers and for being woken */
  mpt_queue queue; /* on rank 0 only, and so is the writer */
  mpt_status_writer *writer;
} service;

/* MPI_Bcast of one number. Waiting ranks sleep longer and longer, up to longest_nap, until
 * something arrives in the inbox. */
static int64_t share_sleeping(const service *s, int64_t number) {
  MPI_Request request;
  int arrived = 0;
  double nap = shortest_nap, since = mpt_now();
  MPI_Ibcast(&number, 1, MPI_INT64_T, 0, s->comm, &request);
  for (MPI_Test(&request, &arrived, MPI_STATUS_IGNORE); !arrived;
       MPI_Test(&request, &arrived, MPI_STATUS_IGNORE)) {
    const bool woken = mpt_spool_wait(&s->spool, nap);
    const double now = mpt_now();
    if (woken) {
      nap = shortest_nap;
      since = now;
    } else if (now - since > attentive_time && nap < longest_nap)
      nap *= 2;
  }
  return number;
}

/* Serves a request on all ranks; MPT_STOPPED when it is left to a later service. Collective. */
static mpt_code serve_by_all(service *s) {
  mpt_code code = MPT_DONE;
  mpt_request own = {0}, *r = s->rank == 0 ? &s->queue.batch[0] : &own;
  mpt_error *error = &r->job.error;
  const int64_t hits = s->cache.hits;
  TRY_COLL(mpt_share_text(s->comm, &r->text, error));
  if (s->rank != 0) mpt_request_parse(&s->spool, r);
  AGREE(s->comm, r->job.code);
  code = mpt_run_config(s->comm, &r->job.config, false, &s->cache, &r->job.summary, error);
done:
  r->job.code = code;
  if (s->rank == 0) {
    mpt_tally tally = {.recalled = s->cache.hits - hits};
    mpt_request_answer(&s->spool, r);
    mpt_tally_add(&tally, r);
    mpt_status_writer_count(s->writer, &tally);
  }
  mpt_request_release(&own);
  return code == MPT_STOPPED ? MPT_STOPPED : MPT_DONE;
}

/* Serves this rank's requests of the batch, which have been read. */
static mpt_tally serve_own(service *s, mpt_request *batch, int count) {
  mpt_tally tally = {.recalled = -s->cache.hits};
  mpt_job_run *jobs[MPT_MOST_MERGED] = {0};
  int own = 0;
  for (int k = 0; k < count; k++)
    if (batch[k].rank == s->rank) jobs[own++] = &batch[k].job;
  mpt_run_merged(jobs, own, &s->cache);
  for (int k = 0; k < count; k++) {
    if (batch[k].rank != s->rank) continue;
    mpt_request_answer(&s->spool, &batch[k]);
    mpt_tally_add(&tally, &batch[k]);
  }
  tally.recalled += s->cache.hits;
  return tally;
}

/* Packs the requests for other ranks than 0 into one text: for each a line "rank name length", then
 * `length` bytes. NULL: there are none, or memory is out. */
static char *pack(const service *s) {
  mpt_text out = {0};
  for (int k = 0; k < s->queue.count; k++) {
    const mpt_request *r = &s->queue.batch[k];
    if (r->rank > 0)
      mpt_text_add(&out, "%d %s %zu\n%s", r->rank, r->name, strlen(r->text), r->text);
  }
  return out.data;
}

/* Reads this rank's requests from such a text; returns their number. */
static int unpack(const service *s, const char *text, mpt_request *out) {
  int count = 0, rank = 0, header = 0;
  size_t length = 0;
  char name[256];
  while (sscanf(text, "%d %255s %zu%n", &rank, name, &length, &header) == 3) {
    text += header + 1;
    if (rank == s->rank) {
      out[count] = (mpt_request){.started = mpt_now(),
                                 .rank = rank,
                                 .name = mpt_format("%s", name),
                                 .text = mpt_format("%.*s", (int)length, text)};
      mpt_request_parse(&s->spool, &out[count++]);
    }
    text += length;
  }
  return count;
}

/* Answers the batch with an error when it cannot be sent to the other ranks; the service goes
 * on. */
static void refuse_batch(service *s, mpt_code code, const mpt_error *error) {
  mpt_tally tally = {0};
  for (int k = 0; k < s->queue.count; k++) {
    mpt_request *r = &s->queue.batch[k];
    r->job.code = code;
    r->job.error = *error;
    mpt_request_answer(&s->spool, r);
    mpt_tally_add(&tally, r);
  }
  mpt_status_writer_count(s->writer, &tally);
}

/* Serves a batch of requests, each on one rank. Collective. */
static mpt_code serve_each(service *s, int64_t count, mpt_error *error) {
  mpt_code code = MPT_DONE;
  mpt_tally tally = {0};
  mpt_request *own = NULL;
  char *packed = NULL;
  if (s->rank == 0) packed = pack(s);
  if (s->rank != 0) own = mpt_alloc(count, sizeof *own);
  AGREE(s->comm, packed || own ? MPT_DONE : mpt_no_memory("serve", error));
  TRY_COLL(mpt_share_text(s->comm, &packed, error));
  if (s->rank == 0)
    tally = serve_own(s, s->queue.batch, s->queue.count);
  else
    tally = serve_own(s, own, unpack(s, packed, own));
  for (int64_t k = 0; own && k < count; k++) mpt_request_release(&own[k]);
  MPI_Allreduce(MPI_IN_PLACE, &tally, sizeof tally / sizeof(int64_t), MPI_INT64_T, MPI_SUM,
                s->comm);
  if (s->rank == 0) mpt_status_writer_count(s->writer, &tally);
  if (tally.left) code = MPT_STOPPED;
done:
  if (code != MPT_DONE && code != MPT_STOPPED) {
    if (s->rank == 0) refuse_batch(s, code, error);
    code = MPT_DONE;
  }
  free(own);
  free(packed);
  return code;
}

static bool is_mine(const mpt_queue *q) {
  for (int k = 0; k < q->count; k++)
    if (q->batch[k].rank != 0) return false;
  return !q->by_all;
}

/* What rank 0 tells the others next. Requests that rank 0 can serve alone are served here, at no
 * cost to the other ranks. */
static int64_t next_for_all(service *s) {
  mpt_queue *q = &s->queue;
  while (mpt_queue_next(q)) {
    if (!is_mine(q)) return q->by_all ? ONE_BY_ALL : q->count;
    mpt_stop_needs(2);
    const mpt_tally tally = serve_own(s, q->batch, q->count);
    mpt_stop_needs(1);
    mpt_status_writer_count(s->writer, &tally);
    mpt_queue_clear(q);
    if (tally.left) return STOPPED;
  }
  return THE_END;
}

/* Collective. */
static mpt_code serve_all(service *s, mpt_error *error) {
  mpt_code code = MPT_DONE;
  while (code == MPT_DONE) {
    mpt_stop_needs(1);
    const int64_t count = share_sleeping(s, s->rank == 0 ? next_for_all(s) : 0);
    if (count == THE_END) break;
    if (count == STOPPED) return MPT_STOPPED;
    mpt_stop_needs(2);
    code = count == ONE_BY_ALL ? serve_by_all(s) : serve_each(s, count, error);
    if (s->rank == 0) mpt_queue_clear(&s->queue);
  }
  mpt_stop_needs(1);
  return code;
}

/* Opens the spool on the other ranks. Collective. */
static mpt_code join(service *s, mpt_error *error) {
  mpt_code code = MPT_DONE;
  char *path = s->spool.path;
  TRY_COLL(mpt_share_text(s->comm, &path, error));
  AGREE(s->comm, s->rank == 0 ? MPT_DONE : mpt_spool_join(path, &s->spool, error));
done:
  if (s->rank != 0) free(path);
  return code;
}

static void close_service(service *s) {
  mpt_queue_close(&s->queue);
  mpt_spool_close(&s->spool);
  mpt_cache_release(&s->cache);
  free(s);
}

mpt_code mpt_serve(MPI_Comm comm, const char *spool, bool shared, mpt_error *error) {
  mpt_code code = MPT_DONE;
  service *s = mpt_alloc(1, sizeof *s);
  int ranks;
  AGREE(comm, s ? MPT_DONE : mpt_no_memory("serve", error));
  s->comm = comm;
  s->spool = (mpt_spool){.lock = -1, .watch = -1};
  s->cache.most = mpt_agree_on_memory(comm) / CACHE_SHARE;
  MPI_Comm_rank(comm, &s->rank);
  MPI_Comm_size(comm, &ranks);
#ifdef M_MMAP_THRESHOLD /* keeps the memory of one request for the next */
  mallopt(M_MMAP_THRESHOLD, HELD_MEMORY);
  mallopt(M_TRIM_THRESHOLD, HELD_MEMORY);
#endif
  mpt_stop_install();
  AGREE(comm, s->rank == 0 ? mpt_spool_open(spool, shared, &s->spool, error) : MPT_DONE);
  TRY_COLL(join(s, error));
  mpt_spool_note_crashes(&s->spool);
  if (s->rank == 0) s->writer = mpt_status_writer_start(&s->spool, ranks);
  if (s->rank == 0) mpt_queue_open(&s->queue, &s->spool, s->writer, ranks);
  if (s->rank == 0) mpt_note("serving %s on %d ranks", s->spool.path, ranks);
  mpt_log_speaks(false); /* the answers contain what would be printed */
  code = serve_all(s, error);
  mpt_log_speaks(s->rank == 0);
  mpt_status_writer_stop(s->writer);
  if (s->rank == 0) mpt_spool_take_stop(&s->spool);
done:
  if (s) close_service(s);
  return code;
}
