/* The files of the benchmark's whole jobs: multiplet-bench.yaml, -in.h5, -out.h5, ... side by side.
 */
#ifndef MPT_BENCH_FILES_H
#define MPT_BENCH_FILES_H

#include "bench/bench.h"
#include "run/run.h"
#include "store/schema.h"

/* A config of the job from -in.h5 to -out.h5, with further lines. */
mpt_code mpt_bench_config(const char *path, const char *more, mpt_error *error);

/* The error of a file that could not be written; returns its code. */
mpt_code mpt_bench_no_room(const char *path, mpt_error *error);

/* A new HDF5 file; invalid when it cannot be. */
hid_t mpt_bench_create(const char *path);

/* Dataset `name` of `count` random Hermitian matrices, complex128, or rows of n float64. The path
 * is for the error, which an invalid file is. */
mpt_code mpt_bench_write(hid_t file, const char *name, bool matrices, int64_t n, int64_t count,
                         const char *path, mpt_error *error);

/* Runs the config from scratch, with a --set if it is not NULL. Collective. */
mpt_code mpt_bench_run(MPI_Comm comm, const char *config, const char *override,
                       mpt_summary *summary, mpt_error *error);

#endif
