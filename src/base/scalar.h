/* Arithmetic that reads the same for real and complex workers (see for_each_type.h). */
#ifndef MPT_SCALAR_H
#define MPT_SCALAR_H

#include <complex.h>
#include <math.h>

/* glibc defines it for GCC only. */
#ifndef CMPLX
#define CMPLX(re, im) __builtin_complex((double)(re), (double)(im))
#define CMPLXL(re, im) __builtin_complex((long double)(re), (long double)(im))
#endif

#define CONJ(x)                                                                                    \
  _Generic((x), float : (x), double : (x), float _Complex : conjf(x), double _Complex : conj(x))
#define RE(x)                                                                                      \
  _Generic((x), float : (x), double : (x), float _Complex : crealf(x), double _Complex : creal(x))
#define IM(x)                                                                                      \
  _Generic((x), float : 0.0f, double : 0.0, float _Complex : cimagf(x), double _Complex : cimag(x))

/* |x|^2, and |x| without overflow for complex x. */
#define ABS2(x) ((double)RE(x) * (double)RE(x) + (double)IM(x) * (double)IM(x))
#define ABS(x)                                                                                     \
  _Generic((x), float : fabsf, double : fabs, float _Complex : cabsf, double _Complex : cabs)(x)

/* For loops that are compiled for each vector width; the version is chosen when the program starts.
 * Not under a sanitizer, which is not ready that early. */
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__) &&       \
    !defined(__SANITIZE_ADDRESS__)
#define VECTOR_CLONES __attribute__((target_clones("default", "avx2", "avx512f")))
#else
#define VECTOR_CLONES
#endif

#endif
