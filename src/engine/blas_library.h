/* The BLAS that this process uses: its name, its kernels, its threads. */
#ifndef MPT_BLAS_LIBRARY_H
#define MPT_BLAS_LIBRARY_H

#include "base/base.h"

/* What the library says about itself, "OpenBLAS 0.3.21 ...", or "unknown BLAS". Static storage. */
const char *mpt_blas_config(void);

/* The name of the kernel set ("SkylakeX") where the library tells it, else "". Static storage. */
const char *mpt_blas_kernels(void);

/* Threads of this process's BLAS, read and set through the library's own calls. Several kinds of
 * BLAS, and OpenMP, may be in the process: the arrays have one number for each kind, 0 where that
 * kind is absent. */
enum { MPT_BLAS_LIBRARIES = 4 };
void mpt_blas_set_threads(int threads);
void mpt_blas_save_threads(int threads[MPT_BLAS_LIBRARIES]);
void mpt_blas_restore_threads(const int threads[MPT_BLAS_LIBRARIES]);

/* True when OPENBLAS_CORETYPE forces kernels without AVX-512 on a processor that has it. */
bool mpt_blas_held_back(void);

/* The rate of one rank in the eigensolver, in real double precision operations per second. Measured
 * once per process by one timed ?heevd of a few milliseconds. */
double mpt_measure_rate(void);

#endif
