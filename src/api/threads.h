/* Threads of one call: they begin with it and end with it, so that none is left to spin beside the
 * threads of another runtime, or to be missed after fork(). */
#ifndef MPT_THREADS_H
#define MPT_THREADS_H

/* Calls body(context, t) for each t from 0 to threads - 1 at the same time, the first on the
 * caller's own thread, and returns when all are done. Where the system gives no more threads, it
 * calls body for those that it gave: the body shares work by a counter and not by t. On each of
 * them a BLAS that goes by OpenMP uses one thread; the caller's number is its own again after. */
void mpt_run_threads(int threads, void (*body)(void *context, int thread), void *context);

#endif
