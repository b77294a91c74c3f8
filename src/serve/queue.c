#include "serve/queue.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "run/stop.h"

static const double look_again = 0.05; /* seconds; inotify does not see other hosts' renames */
static const off_t small_input = 1 << 20;
enum { ENDINGS = 2 }; /* services that end during one request before it is refused */

/* Refuses a request during which services have ended, so that it is not tried for ever. */
static void set_aside(mpt_queue *q, char *name) {
  int64_t left = 0;
  mpt_request request;
  mpt_error *error = &request.job.error;
  mpt_request_read(q->spool, name, &request); /* takes `name` over */
  request.loaded = false;
  request.job.code = mpt_fail(
      error, MPT_BAD_INPUT,
      "cannot serve request '%s': two services ended in the middle of it (look at its files "
      "with multiplet plan; send it again if the services were killed for another reason)",
      name);
  mpt_request_answer(q->spool, &request);
  for (int64_t k = 0; k < q->waiting.count; k++)
    if (strcmp(q->waiting.names[k], name))
      q->waiting.names[left++] = q->waiting.names[k];
    else
      free(q->waiting.names[k]);
  q->waiting.count = left;
  mpt_request_release(&request);
}

/* Finds the request during which the last service ended: one that was being served alone, or the
 * only one left. If there were several, none can be blamed yet. A request that was served alone is
 * refused at once if a rank crashed. */
static void look_for_suspect(mpt_queue *q) {
  bool crashed;
  q->suspect = mpt_spool_left_suspect(q->spool, &q->endings, &crashed);
  if (!q->suspect && q->waiting.count == 1)
    q->suspect = mpt_format("%s", q->waiting.names[0]);
  else if (q->suspect && crashed)
    q->endings = ENDINGS;
  if (q->suspect && ++q->endings < ENDINGS) return;
  if (q->suspect) set_aside(q, q->suspect);
  q->suspect = NULL;
}

void mpt_queue_open(mpt_queue *q, const mpt_spool *spool, mpt_status_writer *writer, int ranks) {
  q->spool = spool;
  q->writer = writer;
  q->ranks = ranks;
  q->waiting = mpt_spool_left(spool);
  q->accepted = true;
  look_for_suspect(q);
}

void mpt_queue_clear(mpt_queue *q) {
  if (q->alone) mpt_spool_suspect(q->spool, NULL, 0);
  q->alone = false;
  for (int k = 0; k < q->count; k++) mpt_request_release(&q->batch[k]);
  q->count = 0;
}

void mpt_queue_close(mpt_queue *q) {
  mpt_queue_clear(q);
  mpt_request_release(&q->held);
  free(q->suspect);
  mpt_requests_release(&q->waiting);
}

/* Takes the next request: it is accepted and read. False: there is none. */
static bool take(mpt_queue *q, mpt_request *out) {
  if (q->held.name) {
    *out = q->held;
    q->held = (mpt_request){0};
    return true;
  }
  if (q->next == q->waiting.count && !q->ends) {
    mpt_requests_release(&q->waiting);
    q->waiting = mpt_spool_waiting(q->spool);
    q->next = 0;
    q->accepted = false;
  }
  while (q->next < q->waiting.count && (q->accepted || !q->ends)) {
    char **name = &q->waiting.names[q->next++];
    if (!q->accepted && !mpt_spool_accept(q->spool, *name)) continue;
    mpt_request_read(q->spool, *name, out);
    *name = NULL;
    return true;
  }
  return false;
}

/* Whether a request is small. One that cannot be run is small, too. */
static bool is_small(const mpt_request *r) {
  struct stat about;
  const mpt_config *c = &r->job.config;
  if (!r->loaded || stat(c->input_file, &about)) return true;
  const mpt_engine *asked = mpt_engine_with((int)c->solver);
  return about.st_size < small_input && !(asked && asked->takes_team) && !c->grid[0] &&
         !c->distribute_from;
}

/* Whether the later request names a file that the earlier one makes. */
static bool depends(const mpt_request *later, const mpt_request *earlier) {
  const mpt_config *c = &later->job.config;
  const char *names[] = {c->input_file, c->cotangents,     c->eigenpairs,
                         c->tangent,    c->reference.file, c->output_file};
  if (!later->loaded || !earlier->loaded) return false;
  for (size_t k = 0; k < sizeof names / sizeof *names; k++)
    if (names[k] && !strcmp(names[k], earlier->job.config.output_file)) return true;
  return false;
}

static uint64_t hash_of(const char *path) {
  uint64_t hash = UINT64_C(0xcbf29ce484222325);
  for (; *path; path++) hash = (hash ^ (unsigned char)*path) * UINT64_C(0x100000001b3);
  return hash;
}

/* The rank that has the eigenpairs in memory; -1: no rank is known to have them. */
static int holder_of(const mpt_queue *q, const char *eigenpairs) {
  const uint64_t path = eigenpairs ? hash_of(eigenpairs) : 0;
  const int64_t count = q->holder_count < MPT_HOLDERS ? q->holder_count : MPT_HOLDERS;
  for (int64_t k = 0; eigenpairs && k < count; k++)
    if (q->holders[k].path == path) return q->holders[k].rank;
  return -1;
}

/* Assigns a request to the rank that has its eigenpairs in memory, otherwise to ranks in turn. Rank
 * 0 answers requests that cannot be run. */
static void deal(mpt_queue *q) {
  int turn = 0;
  for (int k = 0; k < q->count; k++) {
    mpt_request *r = &q->batch[k];
    const int holder = r->loaded ? holder_of(q, r->job.config.eigenpairs) : 0;
    r->rank = holder >= 0 ? holder : turn++ % q->ranks;
    if (r->loaded && !r->job.config.eigenpairs)
      q->holders[q->holder_count++ % MPT_HOLDERS] =
          (struct mpt_holder){hash_of(r->job.config.output_file), r->rank};
  }
}

static bool fits_into_batch(const mpt_queue *q, const mpt_request *r) {
  if (!is_small(r)) return false;
  for (int k = 0; k < q->count; k++)
    if (depends(r, &q->batch[k])) return false;
  return true;
}

/* Fills the batch with small requests, up to a large one or one that depends on them. */
static void fill(mpt_queue *q) {
  mpt_request *r = &q->batch[0];
  q->by_all = false;
  while (q->count < MPT_MOST_MERGED && take(q, r)) {
    if (q->count == 0) q->by_all = !is_small(r);
    if (!q->by_all && !fits_into_batch(q, r)) {
      q->held = *r;
      *r = (mpt_request){0};
      break;
    }
    r = &q->batch[++q->count];
    if (q->by_all || q->accepted) break;
  }
  if (q->accepted && q->count) { /* this request may have ended a service */
    const bool again = q->suspect && !strcmp(q->suspect, q->batch->name);
    q->alone = true;
    mpt_spool_suspect(q->spool, q->batch->name, again ? q->endings : 0);
  }
  deal(q);
}

bool mpt_queue_next(mpt_queue *q) {
  for (;;) {
    q->ends = mpt_stop_requested() || mpt_spool_stops(q->spool);
    fill(q);
    if (q->ends && !q->count) return false;
    const int64_t waiting = q->waiting.count - q->next + (q->held.name != NULL);
    mpt_status_writer_set(q->writer, q->count ? q->batch->name : NULL,
                          q->count ? waiting + q->count - 1 : 0);
    if (q->count) return true;
    mpt_spool_wait(q->spool, look_again);
  }
}
