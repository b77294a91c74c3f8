/* The OpenMP runtime that others have brought into this process: a BLAS that is built with it, or
 * PyTorch. Its threads spin for some milliseconds after their work. So it is better to give them
 * ours than to let ours run beside them. */
#ifndef MPT_OPENMP_H
#define MPT_OPENMP_H

#include <stdbool.h>

/* Threads that OpenMP would take on the calling thread, which is what it keeps the number for; 0
 * without OpenMP. Setting does nothing then. */
int mpt_openmp_threads(void);
void mpt_openmp_set_threads(int threads);

/* Calls body(context, t) for each t from 0 to threads - 1 at the same time. False, and nothing was
 * called, where there is no such team: without OpenMP, inside one of its teams, or after fork(),
 * when the threads that it kept are missing. */
bool mpt_openmp_run(int threads, void (*body)(void *context, int thread), void *context);

/* To be called in the child of a fork. */
void mpt_openmp_forked(void);

/* Whether it can still give threads to a BLAS. */
bool mpt_openmp_is_whole(void);

#endif
