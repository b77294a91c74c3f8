/* The kernels of one instruction set. Included once by each kernels_*.c, which defines
 *
 *   ISA             the set's name,
 *   LANE_BYTES      bytes of a vector,
 *   MASK_REGISTERS  1 where comparisons give one bit for each lane,
 *   RUNS_HERE       whether the processor has it,
 *   LARGEST         for each type, the n up to which `auto` prefers these kernels to lapack. */
#include <limits.h>
#include <math.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif
#include "engine/certificate.h"
#include "engine/lanes/lanes.h"
#include "engine/policy.h"
#include "engine/probe.h"
#include "engine/turn.h"

enum { ROUND_SWEEPS = 512 };

#define WORKER "engine/lanes/lanes_worker.h"
#include "base/for_each_type.h"

#define TABLE_NAME_(isa) mpt_lanes_##isa
#define TABLE_NAME(isa) TABLE_NAME_(isa)
#define TABLE_STRING_(isa) #isa
#define TABLE_STRING(isa) TABLE_STRING_(isa)
#define KERNELS(type)                                                                              \
  { W_##type *GROUPS_##type, bytes_##type, prepare_##type, process_##type }

static bool runs_here(void) {
  return RUNS_HERE;
}

const mpt_lanes_set TABLE_NAME(ISA) = {
    TABLE_STRING(ISA),
    runs_here,
    LARGEST,
    {KERNELS(float32), KERNELS(float64), KERNELS(complex64), KERNELS(complex128)},
};
