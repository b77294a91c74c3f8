/* The benchmark's parts. Every number compares two things measured in the same run, as medians of
 * several repetitions. */
#ifndef MPT_BENCH_H
#define MPT_BENCH_H

#include "engine/engine.h"

enum { MPT_MOST_SIZES = 16, MPT_MOST_REPEATS = 64 };

/* Seconds of a plain ?heevd / ?syevd call on a random n x n matrix, distributed block-cyclically
 * over the ranks' grid: p?heevd with the workspace that it asks for and nothing else; on one rank
 * LAPACK's routine. Collective over the team. < 0 when the call failed. */
double mpt_bare_eigensolver(const mpt_team *team, mpt_type type, int64_t n, int64_t block);
double mpt_bare_lapack(mpt_type type, int64_t n);

/* Element (i, j) of the benchmark's Hermitian matrix; and its block [rows, n] from (row0, col0)
 * on. */
void mpt_bench_element(int64_t i, int64_t j, double out[2]);
void mpt_bench_fill(mpt_type type, int64_t rows, int64_t n, int64_t row0, int64_t col0, void *slab);

/* Seconds of an engine's forward and backward pass on one such matrix, from row slabs to row
 * slabs. */
typedef struct mpt_engine_times {
  double forward, values_backward, full_backward;
} mpt_engine_times;
mpt_code mpt_bench_engine(const mpt_engine *engine, const mpt_team *team, mpt_type type, int64_t n,
                          int64_t block, mpt_engine_times *times, mpt_error *error);

/* Compares the lowest tenth of the eigenpairs with all of them, forward and backward.
 * Collective. */
mpt_code mpt_bench_select(const mpt_engine *engine, const mpt_team *team, mpt_type type, int64_t n,
                          int64_t block, int repeat, mpt_error *error);

/* Runs whole jobs through files in `directory`, on all ranks of MPI_COMM_WORLD and on one. */
mpt_code mpt_bench_jobs(const char *directory, int repeat, mpt_error *error);

/* Runs jobs of `count` small matrices through files in `directory`, on one rank and on all.
 * Collective. */
mpt_code mpt_bench_pipeline(const char *directory, int64_t n, int64_t count, int repeat,
                            mpt_error *error);

/* Many small matrices on this rank with engine lanes, for the types `first` to `last` and ascending
 * sizes. Not collective. */
typedef struct mpt_lanes_bench {
  mpt_type first, last;
  const int64_t *sizes;
  int size_count, repeat;
} mpt_lanes_bench;
mpt_code mpt_bench_lanes(const mpt_lanes_bench *what, mpt_error *error);

/* Selects the instruction set, by its name, that lanes use from now on; false where this machine
 * does not have it. */
bool mpt_bench_use_isa(const char *name);

double mpt_median(int count, double *values);

#endif
