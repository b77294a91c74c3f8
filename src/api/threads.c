#define _GNU_SOURCE
#include "api/threads.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
#include "api/blas_pool.h"
#include "api/openmp.h"
#include "base/base.h"

/* Read by calls whose BLAS has one thread, written by calls whose BLAS has several: one number of
 * threads may hold for the whole process, and OpenBLAS takes one such call at a time. */
#ifdef PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP /* for readers may starve a writer */
#define UNLOCKED PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP
#else
#define UNLOCKED PTHREAD_RWLOCK_INITIALIZER
#endif
static pthread_rwlock_t blas_lock = UNLOCKED;

#ifdef MPT_BLAS_PREFIX
enum { BLAS_HAS_OPENMP = 0 };
#else
enum { BLAS_HAS_OPENMP = 1 }; /* perhaps */
#endif

/* A fork waits until no call is under way: its threads would be missing in the child. */
static void before_fork(void) {
  pthread_rwlock_wrlock(&blas_lock);
}

static void after_fork(void) {
  pthread_rwlock_unlock(&blas_lock);
}

static void in_child(void) {
  static const pthread_rwlock_t unlocked = UNLOCKED;
  blas_lock = unlocked;
  mpt_openmp_forked();
}

/* When the library is loaded: the first call may come in a child. */
__attribute__((constructor)) static void watch_forks(void) {
  pthread_atfork(before_fork, after_fork, in_child);
}

static void begin_blas(int threads) {
  if (threads == 1) {
    pthread_rwlock_rdlock(&blas_lock);
    return;
  }
  pthread_rwlock_wrlock(&blas_lock);
  mpt_blas_pool_start(threads);
}

static void end_blas(int threads) {
  if (threads > 1) mpt_blas_pool_stop();
  pthread_rwlock_unlock(&blas_lock);
}

typedef struct work {
  void (*body)(void *context, int thread);
  void *context;
  int blas; /* threads of each BLAS call */
} work;

typedef struct member {
  work *work;
  int number;
  pthread_t thread;
} member;

/* OpenMP keeps the number of threads separately for each thread that sets it. */
static void run(void *data, int number) {
  const work *w = data;
  const int before = BLAS_HAS_OPENMP ? mpt_openmp_threads() : 0;
  if (before) mpt_openmp_set_threads(w->blas);
  w->body(w->context, number);
  if (before) mpt_openmp_set_threads(before);
}

static void *start(void *argument) {
  const member *m = argument;
  run(m->work, m->number);
  return NULL;
}

/* Signals are blocked in it: the caller's threads handle signals. */
bool mpt_start_thread(pthread_t *thread, void *(*body)(void *), void *argument) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const bool started = !pthread_create(thread, NULL, body, argument);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return started;
}

/* Returns the number of threads that were started. */
static int start_all(int count, member *members, work *w) {
  int started = 0;
  for (int k = 0; k < count; k++) {
    members[started] = (member){.work = w, .number = k + 1};
    started += mpt_start_thread(&members[started].thread, start, &members[started]);
  }
  return started;
}

/* On threads that are started, and on the caller's. */
static void run_started(work *w, int threads) {
  member *others = threads > 1 ? mpt_alloc(threads - 1, sizeof *others) : NULL;
  const int started = others ? start_all(threads - 1, others, w) : 0;
  run(w, 0);
  for (int k = 0; k < started; k++) pthread_join(others[k].thread, NULL);
  free(others);
}

static void run_all(work *w, int threads) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, mpt_blas_pool_prepare);
  if (BLAS_HAS_OPENMP && !mpt_openmp_is_whole()) w->blas = 1;
  const int blas = w->blas;
  begin_blas(blas);
  if (threads == 1 || !mpt_openmp_run(threads, run, w)) run_started(w, threads);
  end_blas(blas);
}

void mpt_run_threads(int threads, void (*body)(void *context, int thread), void *context) {
  run_all(&(work){body, context, 1}, threads);
}

void mpt_run_with_blas(int threads, void (*body)(void *context, int thread), void *context) {
  const long processors = sysconf(_SC_NPROCESSORS_ONLN);
  if (processors > 0 && threads > processors) threads = (int)processors;
  run_all(&(work){body, context, threads > 1 ? threads : 1}, 1);
}
