/* The threads of one call. They start with it and end with it, so that none spins while another
 * runtime's threads work, or is missing after fork(). */
#ifndef MPT_THREADS_H
#define MPT_THREADS_H

#include <pthread.h>
#include <stdbool.h>

/* Calls body(context, t) for each t from 0 to threads - 1 at the same time, the first on the
 * caller's own thread, and returns when all are done. Where the system provides fewer threads, it
 * calls body only for those: body must divide the work by a counter and not by t. On each of the
 * threads, a BLAS that uses OpenMP runs with one thread; the caller's number of OpenMP threads is
 * restored afterwards. */
void mpt_run_threads(int threads, void (*body)(void *context, int thread), void *context);

/* Calls body(context, 0) while each BLAS call in it may use that many
 * threads. A BLAS of the system's with threads of its own, without OpenMP, keeps its own number. */
void mpt_run_with_blas(int threads, void (*body)(void *context, int thread), void *context);

/* Starts a thread that handles no signals. */
bool mpt_start_thread(pthread_t *thread, void *(*body)(void *), void *argument);

#endif
