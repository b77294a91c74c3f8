/* x86-64-v3: AVX2 and FMA. */
#define ISA avx2
#define LANE_BYTES 32
#define MASK_REGISTERS 0
#define RUNS_HERE                                                                                  \
  (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&                              \
   __builtin_cpu_supports("bmi2"))
#define LARGEST                                                                                    \
  { 128, 128, 128, 128 }
#include "engine/lanes/kernels.h"
