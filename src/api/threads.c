#define _GNU_SOURCE
#include "api/threads.h"

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include "api/blas_pool.h"
#include "base/base.h"

/* The OpenMP runtime that the BLAS may use; NULL: none. It is looked up once, since it was loaded
 * with the BLAS. */
static struct {
  void (*set)(int threads);
  int (*get)(void);
  int (*pause)(int kind);
} openmp;

/* Read by calls whose BLAS has one thread, written by calls whose BLAS has several: one number of
 * threads may hold for the whole process, and OpenBLAS takes one such call at a time. */
#ifdef PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP /* for readers may starve a writer */
#define UNLOCKED PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP
#else
#define UNLOCKED PTHREAD_RWLOCK_INITIALIZER
#endif
static pthread_rwlock_t blas_lock = UNLOCKED;

/* In a process whose BLAS is this library's own, OpenMP is no concern of it. */
static void find_openmp(void) {
#ifndef MPT_BLAS_PREFIX
  void *symbol = dlsym(RTLD_DEFAULT, "omp_set_num_threads");
  memcpy(&openmp.set, &symbol, sizeof openmp.set);
  symbol = dlsym(RTLD_DEFAULT, "omp_get_max_threads");
  memcpy(&openmp.get, &symbol, sizeof openmp.get);
  symbol = dlsym(RTLD_DEFAULT, "omp_pause_resource_all");
  memcpy(&openmp.pause, &symbol, sizeof openmp.pause);
#endif
}

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
}

static void prepare(void) {
  find_openmp();
  mpt_blas_pool_prepare();
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

/* OpenMP's threads, which it would keep for the caller, end, too: in a child of a fork they would
 * be missing. */
static void end_blas(int threads) {
  enum { SOFT = 1 };
  if (threads > 1) mpt_blas_pool_stop();
  if (threads > 1 && openmp.pause) openmp.pause(SOFT);
  pthread_rwlock_unlock(&blas_lock);
}

typedef struct work {
  void (*body)(void *context, int thread);
  void *context;
  int blas; /* threads of each BLAS call */
} work;

typedef struct member {
  const work *work;
  int number;
  pthread_t thread;
} member;

/* OpenMP keeps the number of threads separately for each thread that sets it. */
static void run(const work *w, int number) {
  if (openmp.set) openmp.set(w->blas);
  w->body(w->context, number);
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
static int start_all(int count, member *members, const work *w) {
  int started = 0;
  for (int k = 0; k < count; k++) {
    members[started] = (member){.work = w, .number = k + 1};
    started += mpt_start_thread(&members[started].thread, start, &members[started]);
  }
  return started;
}

static void run_all(const work *w, int threads) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, prepare);
  begin_blas(w->blas);
  const int before = openmp.get ? openmp.get() : 0;
  member *others = threads > 1 ? mpt_alloc(threads - 1, sizeof *others) : NULL;
  const int started = others ? start_all(threads - 1, others, w) : 0;
  run(w, 0);
  for (int k = 0; k < started; k++) pthread_join(others[k].thread, NULL);
  free(others);
  if (openmp.set && before > 0) openmp.set(before);
  end_blas(w->blas);
}

void mpt_run_threads(int threads, void (*body)(void *context, int thread), void *context) {
  run_all(&(work){body, context, 1}, threads);
}

void mpt_run_with_blas(int threads, void (*body)(void *context, int thread), void *context) {
  run_all(&(work){body, context, threads}, 1);
}
