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
/* A BLAS that only this library uses: one thread for each call, permanently. */
void openblas_set_num_threads(int threads);
static void prepare_blas(void) {
  openblas_set_num_threads(1);
}
#else
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
} work;

typedef struct member {
  const work *work;
  int number;
  pthread_t thread;
} member;

/* OpenMP keeps the number of threads separately for each thread that sets it. */
static void run(const work *w, int number) {
  if (openmp.set) openmp.set(1);
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

void mpt_run_threads(int threads, void (*body)(void *context, int thread), void *context) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  const work w = {body, context};
  pthread_once(&once, prepare_blas);
  const int before = openmp.get ? openmp.get() : 0;
  member *others = threads > 1 ? mpt_alloc(threads - 1, sizeof *others) : NULL;
  const int started = others ? start_all(threads - 1, others, &w) : 0;
  run(&w, 0);
  for (int k = 0; k < started; k++) pthread_join(others[k].thread, NULL);
  free(others);
  if (openmp.set && before > 0) openmp.set(before);
}
