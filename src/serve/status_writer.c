#define _GNU_SOURCE
#include "serve/status_writer.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { NAME_LENGTH = 256 };

struct mpt_status_writer {
  pthread_t thread;
  pthread_mutex_t mutex;
  pthread_cond_t ended;
  const mpt_spool *spool;
  int ranks;
  bool ends;
  char request[NAME_LENGTH];
  int64_t waiting;
  mpt_tally total;
  int64_t before[2]; /* requests and problems at the last update */
  double started, renewed;
};

static void write_status(mpt_status_writer *p) {
  mpt_text text = {0};
  char host[64] = "";
  const double now = mpt_now(), span = now - p->renewed;
  const int64_t answered = p->total.done + p->total.failed;
  gethostname(host, sizeof host - 1);
  for (char *c = host; *c; c++)
    if (*c == '"' || *c == '\\' || (unsigned char)*c < 0x20) *c = '?';
  const double rates[2] = {span > 0 ? (double)(answered - p->before[0]) / span : 0,
                           span > 0 ? (double)(p->total.problems - p->before[1]) / span : 0};
  mpt_text_add(&text, "{\"state\": \"%s\", \"queue\": %lld, \"request\": ",
               p->ends         ? "stopped"
               : p->request[0] ? "working"
                               : "idle",
               (long long)p->waiting);
  mpt_text_add(&text, p->request[0] ? "\"%s\"" : "null", p->request);
  mpt_text_add(&text,
               ", \"done\": %lld, \"failed\": %lld, \"problems\": %lld, \"recalled\": %lld, "
               "\"requests_per_second\": %.3f, \"problems_per_second\": %.3f, \"ranks\": %d, "
               "\"uptime\": %.1f, \"updated\": "
               "%lld, \"host\": \"%s\", \"pid\": %lld, \"version\": \"%s\"}\n",
               (long long)p->total.done, (long long)p->total.failed, (long long)p->total.problems,
               (long long)p->total.recalled, rates[0], rates[1], p->ranks, now - p->started,
               (long long)time(NULL), host, (long long)getpid(), mpt_version());
  if (text.data) mpt_spool_put(p->spool, "status.json", text.data);
  mpt_text_release(&text);
  p->before[0] = answered;
  p->before[1] = p->total.problems;
  p->renewed = now;
}

static void *beat(void *context) {
  mpt_status_writer *p = context;
  pthread_mutex_lock(&p->mutex);
  while (!p->ends) {
    struct timespec next;
    write_status(p);
    clock_gettime(CLOCK_REALTIME, &next);
    next.tv_sec++;
    pthread_cond_timedwait(&p->ended, &p->mutex, &next);
  }
  pthread_mutex_unlock(&p->mutex);
  return NULL;
}

mpt_status_writer *mpt_status_writer_start(const mpt_spool *spool, int ranks) {
  mpt_status_writer *p = mpt_alloc(1, sizeof *p);
  sigset_t all, before;
  if (!p) return NULL;
  p->spool = spool;
  p->ranks = ranks;
  p->started = p->renewed = mpt_now();
  pthread_mutex_init(&p->mutex, NULL);
  pthread_cond_init(&p->ended, NULL);
  sigfillset(&all); /* signals are handled by the main thread */
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const bool failed = pthread_create(&p->thread, NULL, beat, p) != 0;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (!failed) return p;
  free(p);
  return NULL;
}

void mpt_status_writer_set(mpt_status_writer *p, const char *request, int64_t waiting) {
  if (!p) return;
  pthread_mutex_lock(&p->mutex);
  strncpy(p->request, request ? request : "", NAME_LENGTH - 1);
  p->waiting = waiting;
  pthread_mutex_unlock(&p->mutex);
}

void mpt_status_writer_count(mpt_status_writer *p, const mpt_tally *tally) {
  if (!p) return;
  pthread_mutex_lock(&p->mutex);
  p->total.done += tally->done;
  p->total.failed += tally->failed;
  p->total.problems += tally->problems;
  p->total.recalled += tally->recalled;
  pthread_mutex_unlock(&p->mutex);
}

void mpt_status_writer_stop(mpt_status_writer *p) {
  if (!p) return;
  pthread_mutex_lock(&p->mutex);
  p->ends = true;
  pthread_cond_signal(&p->ended);
  pthread_mutex_unlock(&p->mutex);
  pthread_join(p->thread, NULL);
  p->request[0] = 0;
  write_status(p);
  free(p);
}
