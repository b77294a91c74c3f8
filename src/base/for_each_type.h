/* Includes the file named by WORKER once per scalar type, with these macros defined:
 *   Real, Scalar  the types of eigenvalues and of matrix elements,
 *   NAME(x)       x with the type's suffix,
 *   BLAS(x)       the Fortran name of a BLAS or LAPACK routine, PBLAS(x) of a ScaLAPACK one,
 *   RBLAS(x), RPBLAS(x)  the same for the real type of this precision,
 *   Integer, REAL_BYTES  the signed integer as wide as Real, and its width in bytes,
 *   IS_COMPLEX    1 or 0,
 *   TYPE          the mpt_type,
 *   MPI_SCALAR, MPI_REAL_TYPE.
 * WORKER_TABLE(x) then lists the four instances of x in the order of mpt_type. */
#include <complex.h>
#include <multiplet/types.h>

_Static_assert(MPT_FLOAT32 == 0 && MPT_FLOAT64 == 1 && MPT_COMPLEX64 == 2 && MPT_COMPLEX128 == 3 &&
                   MPT_TYPE_COUNT == 4,
               "a table has an instance for each type, in their order");
_Static_assert(sizeof(float) == 4 && sizeof(double) == 8 && sizeof(float _Complex) == 8 &&
                   sizeof(double _Complex) == 16,
               "a type is not as wide as it is said to be");

#define MPT_PASTE_(a, b, c) a##b##c
#define MPT_PASTE(a, b, c) MPT_PASTE_(a, b, c)
#define NAME(x) MPT_PASTE(x, _, SUFFIX)
#define BLAS(x) MPT_PASTE(LETTER, x, _)
#define PBLAS(x) MPT_PASTE(p, LETTER, x##_)
#define RBLAS(x) MPT_PASTE(REAL_LETTER, x, _)
#define RPBLAS(x) MPT_PASTE(p, REAL_LETTER, x##_)
#define WORKER_TABLE(x)                                                                            \
  { x##_float32, x##_float64, x##_complex64, x##_complex128 }

#define SUFFIX float32
#define TYPE MPT_FLOAT32
#define LETTER s
#define REAL_LETTER s
#define Real float
#define Integer int32_t
#define REAL_BYTES 4
#define Scalar float
#define IS_COMPLEX 0
#define MPI_SCALAR MPI_FLOAT
#define MPI_REAL_TYPE MPI_FLOAT
#include WORKER
#include "base/type_undef.h"

#define SUFFIX float64
#define TYPE MPT_FLOAT64
#define LETTER d
#define REAL_LETTER d
#define Real double
#define Integer int64_t
#define REAL_BYTES 8
#define Scalar double
#define IS_COMPLEX 0
#define MPI_SCALAR MPI_DOUBLE
#define MPI_REAL_TYPE MPI_DOUBLE
#include WORKER
#include "base/type_undef.h"

#define SUFFIX complex64
#define TYPE MPT_COMPLEX64
#define LETTER c
#define REAL_LETTER s
#define Real float
#define Integer int32_t
#define REAL_BYTES 4
#define Scalar float _Complex
#define IS_COMPLEX 1
#define MPI_SCALAR MPI_C_FLOAT_COMPLEX
#define MPI_REAL_TYPE MPI_FLOAT
#include WORKER
#include "base/type_undef.h"

#define SUFFIX complex128
#define TYPE MPT_COMPLEX128
#define LETTER z
#define REAL_LETTER d
#define Real double
#define Integer int64_t
#define REAL_BYTES 8
#define Scalar double _Complex
#define IS_COMPLEX 1
#define MPI_SCALAR MPI_C_DOUBLE_COMPLEX
#define MPI_REAL_TYPE MPI_DOUBLE
#include WORKER
#include "base/type_undef.h"
