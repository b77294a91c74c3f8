/* The BLAS that this process runs on: what it is, its kernels, its threads. */
#ifndef MPT_BLAS_LIBRARY_H
#define MPT_BLAS_LIBRARY_H

#include "base/base.h"

/* What the library says of itself, "OpenBLAS 0.3.21 ...", or "unknown BLAS". Static storage. */
const char *mpt_blas_config(void);

/* The kernel set's name where the library tells ("SkylakeX"), else "". Static storage. */
const char *mpt_blas_kernels(void);

/* Threads of this process's BLAS, through the library's own call. */
void mpt_blas_set_threads(int threads);

/* True when OPENBLAS_CORETYPE holds a processor with AVX-512 to kernels without. */
bool mpt_blas_held_back(void);

/* Real double precision operations per second of one rank in the eigensolver, from one timed
 * ?heevd of a few milliseconds, once a process. */
double mpt_measure_rate(void);

#endif
