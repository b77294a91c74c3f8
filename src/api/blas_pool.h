/* Threads for a BLAS that only this library uses (MPT_BLAS_PREFIX, an OpenBLAS). Its own ones would
 * spin for some time after each call, beside the threads of others, and be missing after fork(). */
#ifndef MPT_BLAS_POOL_H
#define MPT_BLAS_POOL_H

/* Each BLAS call of this thread is done by up to `threads` threads until mpt_blas_pool_stop(). One
 * caller at a time; calls of other threads must have ended. */
void mpt_blas_pool_start(int threads);
void mpt_blas_pool_stop(void);

/* Once in a process, before all other calls: the BLAS has one thread. */
void mpt_blas_pool_prepare(void);

#endif
