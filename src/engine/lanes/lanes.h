/* Many small problems on one rank, one in each vector lane. The whole algorithm runs in lockstep:
 * element (i, j) of W matrices is one vector. The same workers are compiled in one file for each
 * instruction set; the widest that the processor has is chosen when the program starts.
 *
 * On one instruction set a matrix's result does not depend on its neighbours, its position or the
 * size of the batch, to the last bit. */
#ifndef MPT_LANES_H
#define MPT_LANES_H

#include "engine/engine.h"

/* The instruction set in use: "avx512", "avx2" or "generic". */
const char *mpt_lanes_isa(void);

/* Chooses an instruction set by name (NULL: the widest); false when this processor or this build
 * lacks it. Close open states first. Not for use while other threads solve. */
bool mpt_lanes_use(const char *name);

/* The largest n that this engine solves rather than `lapack`, where it is faster (measured:
 * multiplet bench --part lanes). */
int64_t mpt_lanes_largest(mpt_type type);

/* Fault hook for tests: the number of QL sweeps after which a matrix is passed to `lapack`; 0: the
 * usual number. */
void mpt_lanes_limit_sweeps(int most);

/* Fault hook for tests: which of the three products of each gradient gets one wrong element; 0:
 * none. */
void mpt_lanes_spoil(int product);

/* For the benchmark, which measures the cost of the checks: computes w and v without a report, as a
 * loop of ?heevd does. */
void mpt_lanes_bare(bool without_checks);

/* The arguments of the kernels: problems first .. first + count - 1 of a batch, at most `chunk` of
 * them. `lost[k]`: problem first + k must be solved by another engine. */
typedef struct mpt_lanes_call {
  const mpt_options *options;
  mpt_batch *batch;
  int64_t first, count;
  int most_sweeps;
  void *memory;
  bool *lost;
  bool bare;
  int spoil; /* fault hook: 1 to 3, the product of the gradient that gets one wrong element */
} mpt_lanes_call;

/* The kernels of one scalar type. */
typedef struct mpt_lanes_kernels {
  int chunk; /* problems per call */
  int64_t (*bytes)(int n, bool vectors, bool backward);
  void (*prepare)(void *memory, int n, bool vectors, bool backward);
  void (*process)(const mpt_lanes_call *call);
} mpt_lanes_kernels;

typedef struct mpt_lanes_set {
  const char *name;
  bool (*runs_here)(void);
  int64_t largest[MPT_TYPE_COUNT];
  mpt_lanes_kernels kernels[MPT_TYPE_COUNT];
} mpt_lanes_set;

extern const mpt_lanes_set mpt_lanes_generic, mpt_lanes_avx2, mpt_lanes_avx512;

#endif
