#define _GNU_SOURCE
#include "serve.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include "agree.h"
#include "answer.h"
#include "pulse.h"
#include "run.h"
#include "spool.h"
#include "stop.h"

enum { KEPT_SHARE = 4, HELD_MEMORY = 64 << 20 }; /* of a rank's memory, for results; bytes */
static const double look_again = 0.05;    /* seconds; inotify does not see other hosts' renames */
static const double shortest_nap = 2e-5;  /* of a rank that waits for rank 0 */
static const double longest_nap = 0.0025; /* likewise, long after the last request */
static const double attentive_time = 0.05; /* after work, or an arrival, before naps get long */

typedef struct service {
  MPI_Comm comm;
  int rank;
  mpt_keep keep;
  mpt_spool spool; /* on other ranks than 0 to be woken only, as is all below */
  mpt_pulse *pulse;
  mpt_requests waiting;
  int64_t next;
} service;

/* MPI_Bcast of one number in which those that wait sleep: longer and longer, up to longest_nap, until
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

/* Rank 0: the next request's name, or NULL when the service is to end. */
static const char *next_request(service *s) {
  for (;;) {
    if (mpt_stop_requested() || mpt_spool_stops(&s->spool)) return NULL;
    while (s->next < s->waiting.count) {
      const char *name = s->waiting.names[s->next++];
      mpt_pulse_set(s->pulse, name, s->waiting.count - s->next);
      if (mpt_spool_accept(&s->spool, name)) return name;
    }
    mpt_requests_release(&s->waiting);
    s->next = 0;
    s->waiting = mpt_spool_waiting(&s->spool);
    if (s->waiting.count) continue;
    mpt_pulse_set(s->pulse, NULL, 0);
    mpt_spool_wait(&s->spool, look_again);
  }
}

/* A request's config on every rank. Rank 0's code and error count. Collective. */
static mpt_code load(service *s, const char *name, char **text, mpt_config *config,
                     mpt_error *error) {
  mpt_code code = MPT_DONE;
  char *resolved = NULL;
  mpt_text complaints = {0};
  if (s->rank == 0) code = mpt_spool_read(&s->spool, name, text, error);
  if (s->rank == 0 && code == MPT_DONE) {
    code = mpt_config_from_text(*text, s->spool.path, config, &complaints);
    if (code != MPT_DONE)
      mpt_fail(error, code, "cannot use the request: %s",
               complaints.data ? complaints.data : "out of memory");
    resolved = config->resolved;
  }
  mpt_text_release(&complaints);
  AGREE(s->comm, code);
  TRY_COLL(mpt_share_text(s->comm, &resolved, error));
  if (s->rank != 0) code = mpt_config_from_resolved(resolved, config, error);
  if (s->rank != 0) free(resolved);
  AGREE(s->comm, code);
  return MPT_DONE;
done:
  mpt_config_release(config);
  return code;
}

static int64_t problems_of(const mpt_summary *summary) {
  int64_t count = 0;
  for (int k = 0; k < MPT_STATUS_COUNT; k++) count += summary->by_status[k];
  return count;
}

/* An answer can be added to block style YAML. */
static bool is_block(const char *text) {
  return text[strspn(text, " \t\r\n")] != '{';
}

static void answer(service *s, const char *name, const char *text, bool loaded,
                   const mpt_outcome *outcome) {
  mpt_text out = {0};
  const bool done = outcome->code == MPT_DONE || outcome->code == MPT_SOME_FAILED;
  mpt_answer_write(text ? text : "", loaded && is_block(text), outcome, &out);
  mpt_spool_answer(&s->spool, name, done, out.data ? out.data : "");
  mpt_text_release(&out);
  mpt_pulse_count(s->pulse, done, problems_of(&outcome->summary));
}

/* One request from file to answer; MPT_STOPPED when it was left to a later service. Collective. */
static mpt_code serve_request(service *s, const char *name) {
  mpt_error error = {0};
  mpt_config config = {0};
  mpt_outcome outcome = {0};
  char *text = NULL;
  const double start = mpt_now();
  outcome.code = load(s, name, &text, &config, &error);
  const bool loaded = outcome.code == MPT_DONE;
  if (loaded) outcome.code = mpt_run_config(s->comm, &config, false, &s->keep, &outcome.summary, &error);
  outcome.seconds = mpt_now() - start;
  if (outcome.code != MPT_DONE && outcome.code != MPT_SOME_FAILED) outcome.error = error.text;
  if (s->rank == 0 && outcome.code != MPT_STOPPED) answer(s, name, text, loaded, &outcome);
  free(text);
  return outcome.code == MPT_STOPPED ? MPT_STOPPED : MPT_DONE;
}

/* Those that an earlier service had accepted, then what arrives. Collective. */
static mpt_code serve_all(service *s) {
  mpt_code code = MPT_DONE;
  mpt_requests left = {0};
  if (s->rank == 0) left = mpt_spool_left(&s->spool);
  for (int64_t k = 0; code == MPT_DONE; k++) {
    const char *name = NULL;
    if (s->rank == 0) name = k < left.count ? left.names[k] : next_request(s);
    if (!share_sleeping(s, name != NULL)) break;
    mpt_stop_needs(2);
    code = serve_request(s, name);
    mpt_stop_needs(1);
  }
  mpt_requests_release(&left);
  return code;
}

/* The spool on the other ranks. Collective. */
static mpt_code join(service *s, mpt_error *error) {
  mpt_code code = MPT_DONE;
  char *path = s->spool.path;
  TRY_COLL(mpt_share_text(s->comm, &path, error));
  if (s->rank == 0) return MPT_DONE;
  mpt_spool_join(path, &s->spool);
  free(path);
done:
  return code;
}

mpt_code mpt_serve(MPI_Comm comm, const char *spool, bool shared, mpt_error *error) {
  mpt_code code = MPT_DONE;
  service s = {.comm = comm, .spool = {.lock = -1, .watch = -1}};
  int ranks;
  MPI_Comm_rank(comm, &s.rank);
  MPI_Comm_size(comm, &ranks);
  mpt_stop_install();
  s.keep.most = mpt_agree_on_memory(comm) / KEPT_SHARE;
  mallopt(M_MMAP_THRESHOLD, HELD_MEMORY); /* memory of one request is the next one's */
  mallopt(M_TRIM_THRESHOLD, HELD_MEMORY);
  AGREE(comm, s.rank == 0 ? mpt_spool_open(spool, shared, &s.spool, error) : MPT_DONE);
  TRY_COLL(join(&s, error));
  if (s.rank == 0) s.pulse = mpt_pulse_start(&s.spool, ranks);
  if (s.rank == 0) mpt_note("serving %s on %d ranks", s.spool.path, ranks);
  mpt_log_speaks(false); /* what happens to requests is in their answers */
  code = serve_all(&s);
  mpt_log_speaks(s.rank == 0);
  mpt_pulse_stop(s.pulse);
  if (s.rank == 0) mpt_spool_take_stop(&s.spool);
done:
  mpt_requests_release(&s.waiting);
  mpt_spool_close(&s.spool);
  mpt_keep_release(&s.keep);
  return code;
}
