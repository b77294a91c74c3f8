/* Vectors of 16 bytes, which every x86-64 (SSE2) and aarch64 (NEON) has, and compilers emulate
 * elsewhere. */
#define ISA generic
#define LANE_BYTES 16
#define MASK_REGISTERS 0
#define RUNS_HERE true
#define LARGEST                                                                                    \
  { 96, 48, 96, 48 }
#include "engine/lanes/kernels.h"
