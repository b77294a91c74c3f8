/* Vectors of 16 bytes. Every x86-64 (SSE2) and aarch64 (NEON) has them, and compilers emulate them
 * elsewhere. */
#define ISA generic
#define LANE_BYTES 16
#define MASK_REGISTERS 0
#define RUNS_HERE true
#define LARGEST                                                                                    \
  { 96, 48, 96, 48 }
#include "engine/lanes/kernels.h"
