/* The BLAS that this process runs on: what it is, its kernels, its threads. */
#ifndef MPT_BLAS_LIBRARY_H
#define MPT_BLAS_LIBRARY_H

#include "base/base.h"

/* What the library says of itself, "OpenBLAS 0.3.21 ...", or "unknown BLAS". Static storage. */
const char *mpt_blas_config(void);

/* The kernel set's name where the library tells ("SkylakeX"), else "". Static storage. */
const char *mpt_blas_kernels(void);

/* Threads of this process's BLAS, by the library's own call. Each kind of library that may be in
 * the process (OpenMP among them) has its own number, 0 where it is not there. */
enum { MPT_BLAS_LIBRARIES = 4 };
void mpt_blas_set_threads(int threads);
void mpt_blas_save_threads(int threads[MPT_BLAS_LIBRARIES]);
void mpt_blas_restore_threads(const int threads[MPT_BLAS_LIBRARIES]);

/* True when OPENBLAS_CORETYPE holds a processor with AVX-512 to kernels without. */
bool mpt_blas_held_back(void);

/* Real double precision operations per second of one rank in the eigensolver, from one timed
 * ?heevd of a few milliseconds, once a process. */
double mpt_measure_rate(void);

#endif
