/* x86-64-v4: AVX-512 F, BW, CD, DQ, VL. */
#define ISA avx512
#define LANE_BYTES 64
#define MASK_REGISTERS 1
#define RUNS_HERE                                                                                  \
  (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&                      \
   __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&                     \
   __builtin_cpu_supports("avx512vl"))
#define LARGEST                                                                                    \
  { 128, 128, 128, 128 }
#include "engine/lanes/kernels.h"
