#include "api/blas_pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stddef.h>
#include "base/base.h"

#ifdef MPT_BLAS_PREFIX
#include "api/openmp.h"
#include "api/threads.h"

/* OpenBLAS's interface for threads that are not its own (its cblas.h, since 0.3.28): jobs are to be
 * done at the same time, each with a number of its own. */
typedef void do_job(int number, void *job, int data);
typedef void do_jobs(int sync, do_job *job, int count, size_t size, void *jobs, int data);
void openblas_set_threads_callback_function(do_jobs *callback);
void openblas_set_num_threads(int threads);

enum { LOOKS = 4000, MOST = 64 }; /* before a thread that waits sleeps: some 50 us */

static struct {
  int members; /* besides the caller's thread */
  bool lent;   /* by OpenMP, instead of members of its own */
  pthread_t thread[MOST];
  pthread_mutex_t lock;
  pthread_cond_t wake;
  _Atomic unsigned turn;      /* rises with each call */
  _Atomic int busy, sleepers; /* members that have not done their part; that sleep */
  _Atomic bool ended;
  do_job *job;
  int count, data;
  size_t size;
  char *jobs;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

static void look_away(int looks) {
#if defined(__x86_64__) && defined(__GNUC__)
  if (looks % 64) {
    __builtin_ia32_pause();
    return;
  }
#else
  (void)looks;
#endif
  sched_yield();
}

/* Waits for a turn after `last`. */
static void await_turn(unsigned last) {
  for (int looks = 1; looks < LOOKS; looks++) {
    if (atomic_load(&pool.turn) != last) return;
    look_away(looks);
  }
  pthread_mutex_lock(&pool.lock);
  atomic_fetch_add(&pool.sleepers, 1);
  while (atomic_load(&pool.turn) == last) pthread_cond_wait(&pool.wake, &pool.lock);
  atomic_fetch_sub(&pool.sleepers, 1);
  pthread_mutex_unlock(&pool.lock);
}

static void do_part(int number) {
  if (number < pool.count) pool.job(number, pool.jobs + (size_t)number * pool.size, pool.data);
}

static void *member(void *number) {
  unsigned last = 0;
  for (;;) {
    await_turn(last);
    last++;
    if (atomic_load(&pool.ended)) return NULL;
    do_part((int)(ptrdiff_t)number);
    atomic_fetch_sub(&pool.busy, 1);
  }
}

static void next_turn(void) {
  atomic_fetch_add(&pool.turn, 1);
  if (!atomic_load(&pool.sleepers)) return;
  pthread_mutex_lock(&pool.lock);
  pthread_cond_broadcast(&pool.wake);
  pthread_mutex_unlock(&pool.lock);
}

static void do_lent_part(void *context, int number) {
  (void)context;
  do_part(number);
}

static void do_all_jobs(int sync, do_job *job, int count, size_t size, void *jobs, int data) {
  (void)sync;
  pool.job = job;
  pool.count = count;
  pool.size = size;
  pool.jobs = jobs;
  pool.data = data;
  if (pool.lent && mpt_openmp_run(pool.members + 1, do_lent_part, NULL)) return;
  atomic_store(&pool.busy, pool.members);
  next_turn();
  do_part(0);
  for (int looks = 1; atomic_load(&pool.busy); looks++) look_away(looks);
}

void mpt_blas_pool_prepare(void) {
  openblas_set_threads_callback_function(do_all_jobs);
  openblas_set_num_threads(1);
}

static void do_nothing(void *context, int number) {
  (void)context;
  (void)number;
}

void mpt_blas_pool_start(int threads) {
  pool.lent = threads <= MOST && mpt_openmp_run(threads, do_nothing, NULL);
  if (pool.lent) {
    pool.members = threads - 1;
    openblas_set_num_threads(threads);
    return;
  }
  atomic_store(&pool.turn, 0);
  atomic_store(&pool.ended, false);
  pool.members = 0;
  for (int k = 1; k < threads && k <= MOST; k++)
    if (mpt_start_thread(&pool.thread[pool.members], member, (void *)(ptrdiff_t)(pool.members + 1)))
      pool.members++;
  openblas_set_num_threads(pool.members + 1);
}

void mpt_blas_pool_stop(void) {
  openblas_set_num_threads(1);
  if (pool.lent) return;
  atomic_store(&pool.ended, true);
  next_turn();
  for (int k = 0; k < pool.members; k++) pthread_join(pool.thread[k], NULL);
}
#else
void mpt_blas_pool_prepare(void) {
}

void mpt_blas_pool_start(int threads) {
  (void)threads;
}

void mpt_blas_pool_stop(void) {
}
#endif
