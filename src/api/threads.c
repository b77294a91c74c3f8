#define _GNU_SOURCE
#include "api/threads.h"

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include "base/base.h"

/* The OpenMP runtime that the BLAS may use; NULL: none. It is looked up once, since it was loaded
 * with the BLAS. */
static struct {
  void (*set)(int threads);
  int (*get)(void);
} openmp;

#ifdef MPT_BLAS_PREFIX
/* A BLAS that only this library uses. It has one number of threads for all calls of the process: 1,
 * but while the lock is held for writing. */
void openblas_set_num_threads(int threads);
int openblas_get_num_threads(void);
static pthread_rwlock_t blas_lock = PTHREAD_RWLOCK_INITIALIZER;

/* The thread that held it may not have come along. */
static void renew_lock(void) {
  static const pthread_rwlock_t fresh = PTHREAD_RWLOCK_INITIALIZER;
  blas_lock = fresh;
}

static void prepare_blas(void) {
  openblas_set_num_threads(1);
  pthread_atfork(NULL, NULL, renew_lock);
}

static void begin_blas(int threads) {
  if (threads > 1)
    pthread_rwlock_wrlock(&blas_lock);
  else
    pthread_rwlock_rdlock(&blas_lock);
  if (openblas_get_num_threads() != threads) openblas_set_num_threads(threads);
}

static void end_blas(int threads) {
  if (threads > 1) openblas_set_num_threads(1);
  pthread_rwlock_unlock(&blas_lock);
}
#else
static void begin_blas(int threads) {
  (void)threads;
}

static void end_blas(int threads) {
  (void)threads;
}

static void prepare_blas(void) {
  void *symbol = dlsym(RTLD_DEFAULT, "omp_set_num_threads");
  memcpy(&openmp.set, &symbol, sizeof openmp.set);
  symbol = dlsym(RTLD_DEFAULT, "omp_get_max_threads");
  memcpy(&openmp.get, &symbol, sizeof openmp.get);
}
#endif

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

/* Returns the number of threads that were started. Signals are blocked in them: the caller's
 * threads handle signals. */
static int start_all(int count, member *members, const work *w) {
  sigset_t all, before;
  int started = 0;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  for (int k = 0; k < count; k++) {
    members[started] = (member){.work = w, .number = k + 1};
    if (!pthread_create(&members[started].thread, NULL, start, &members[started])) started++;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return started;
}

static void run_all(const work *w, int threads) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, prepare_blas);
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
