/* The files of the benchmark's whole jobs: multiplet-bench.yaml, -in.h5, -out.h5, ..., all in one
 * directory. */
#ifndef MPT_BENCH_FILES_H
#define MPT_BENCH_FILES_H

#include "bench/bench.h"
#include "run/run.h"
#include "store/schema.h"

/* Writes a config of the job from -in.h5 to -out.h5, with the further lines `more`. */
mpt_code mpt_bench_config(const char *path, const char *more, mpt_error *error);

/* The error of a file that could not be written; returns its code. */
mpt_code mpt_bench_no_room(const char *path, mpt_error *error);

/* Creates an HDF5 file; the handle is invalid on failure. */
hid_t mpt_bench_create(const char *path);

/* Writes dataset `name` of `count` random Hermitian matrices, complex128, or of rows of n float64.
 * An invalid `file` is an error, whose message names `path`. */
mpt_code mpt_bench_write(hid_t file, const char *name, bool matrices, int64_t n, int64_t count,
                         const char *path, mpt_error *error);

/* Runs the config from scratch, with `override` as --set unless it is NULL. Collective. */
mpt_code mpt_bench_run(MPI_Comm comm, const char *config, const char *override,
                       mpt_summary *summary, mpt_error *error);

#endif
