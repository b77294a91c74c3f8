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

/* Read by calls whose BLAS has one thread, written by calls whose BLAS has several: one number of
 * threads may hold for the whole process, and OpenBLAS takes one such call at a time. */
#ifdef PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP
#define UNLOCKED                                                                                   \
  PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP /* else readers may starve it                  \
                                                     */
#else
#define UNLOCKED PTHREAD_RWLOCK_INITIALIZER
#endif
static pthread_rwlock_t blas_lock = UNLOCKED;

#ifdef MPT_BLAS_PREFIX
/* A BLAS that only this library uses. */
void openblas_set_num_threads(int threads);
int openblas_get_num_threads(void);
static void set_blas_threads(int threads) {
  if (openblas_get_num_threads() != threads) openblas_set_num_threads(threads);
}

static void find_openmp(void) {
}
#else
static void set_blas_threads(int threads) {
  (void)threads;
}

static void find_openmp(void) {
  void *symbol = dlsym(RTLD_DEFAULT, "omp_set_num_threads");
  memcpy(&openmp.set, &symbol, sizeof openmp.set);
  symbol = dlsym(RTLD_DEFAULT, "omp_get_max_threads");
  memcpy(&openmp.get, &symbol, sizeof openmp.get);
}
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
}

static void prepare(void) {
  find_openmp();
  pthread_atfork(before_fork, after_fork, in_child);
}

static void begin_blas(int threads) {
  if (threads > 1)
    pthread_rwlock_wrlock(&blas_lock);
  else
    pthread_rwlock_rdlock(&blas_lock);
  set_blas_threads(threads);
}

static void end_blas(int threads) {
  if (threads > 1) set_blas_threads(1);
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

/* Numbers them from `first` on. Returns the number of threads that were started. Signals are
 * blocked in them: the caller's threads handle signals. */
static int start_all(int first, int count, member *members, const work *w) {
  sigset_t all, before;
  int started = 0;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  for (int k = 0; k < count; k++) {
    members[started] = (member){.work = w, .number = first + k};
    if (!pthread_create(&members[started].thread, NULL, start, &members[started])) started++;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return started;
}

/* On a thread that ends with the call, and with it the threads that OpenMP keeps for it: in a child
 * of a fork, those that it keeps for the caller's would be missing. */
static bool run_apart(const work *w) {
  member apart;
  if (!start_all(0, 1, &apart, w)) return false;
  pthread_join(apart.thread, NULL);
  return true;
}

static void run_all(const work *w, int threads) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, prepare);
  begin_blas(w->blas);
  const int before = openmp.get ? openmp.get() : 0;
  member *others = threads > 1 ? mpt_alloc(threads - 1, sizeof *others) : NULL;
  const int started = others ? start_all(1, threads - 1, others, w) : 0;
  if (w->blas == 1 || !run_apart(w)) run(w, 0);
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
