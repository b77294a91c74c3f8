/* The four scalar types, chosen at run time above the engines. */
#ifndef MULTIPLET_TYPES_H
#define MULTIPLET_TYPES_H

#include <stddef.h>
#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum mpt_type {
  MPT_FLOAT32 = 0,
  MPT_FLOAT64 = 1,
  MPT_COMPLEX64 = 2,
  MPT_COMPLEX128 = 3,
  MPT_TYPE_COUNT
} mpt_type;

/* Which part of the input matrix is read. FULL is also checked to be Hermitian; of AVERAGE,
 * unchecked, (A + A^H) / 2 is taken. */
typedef enum mpt_triangle {
  MPT_TRIANGLE_FULL = 0,
  MPT_TRIANGLE_LOWER = 1,
  MPT_TRIANGLE_UPPER = 2,
  MPT_TRIANGLE_AVERAGE = 3
} mpt_triangle;

/* Of complex gradients, and of the cotangents that they are made of: dL = Re tr(G^H dA) as PyTorch
 * has it, dL = Re tr(G^T dA) as JAX. One's are the other's complex conjugates. */
typedef enum mpt_convention { MPT_CONVENTION_TORCH = 0, MPT_CONVENTION_JAX = 1 } mpt_convention;

/* A loss that depends on the choice of basis inside a multiplet: a warning or a failure. */
typedef enum mpt_gauge_policy { MPT_GAUGE_WARN = 0, MPT_GAUGE_FAIL = 1 } mpt_gauge_policy;

/* Eigenvalue cotangents that differ inside a multiplet where no form of the loss is certified:
 * replaced by their mean (the gauge average), kept, refused, or made an estimate whose mean over
 * random bases (MPT_BASIS_TURNED, another seed each time) is the gradient of any basis-independent
 * loss.
 */
typedef enum mpt_spread_policy {
  MPT_SPREAD_MEAN = 0,
  MPT_SPREAD_RAW = 1,
  MPT_SPREAD_REFUSE = 2,
  MPT_SPREAD_UNBIASED = 3
} mpt_spread_policy;

/* The vectors inside a multiplet: turned by a pseudo-random unitary (or orthogonal) matrix that the
 * seed decides, so that no loss can hide that it depends on them, or as the solver left them. */
typedef enum mpt_basis { MPT_BASIS_TURNED = 0, MPT_BASIS_SOLVER = 1 } mpt_basis;

/* The solver; AUTO chooses by type and size. */
typedef enum mpt_solver {
  MPT_SOLVER_AUTO = 0,
  MPT_SOLVER_LANES = 1, /* many small matrices side by side, one in each vector lane */
  MPT_SOLVER_LAPACK = 2 /* one after the other: the reference */
} mpt_solver;

/* For what is no type: NULL or 0. Names are in static storage. */
MPT_API const char *mpt_type_name(mpt_type type); /* "complex128" */
MPT_API size_t mpt_type_size(mpt_type type);      /* bytes of one matrix element */
MPT_API size_t mpt_real_size(mpt_type type);      /* bytes of one eigenvalue */
MPT_API double mpt_type_epsilon(mpt_type type);   /* 2^-52 or 2^-23 */
MPT_API int mpt_type_is_complex(mpt_type type);
MPT_API int mpt_type_from_name(const char *name, mpt_type *type); /* 0 when there is none */

#ifdef __cplusplus
}
#endif
#endif
