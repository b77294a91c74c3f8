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

/* The part of the input matrix that is read. FULL is also checked to be Hermitian; AVERAGE takes
 * (A + A^H) / 2 without a check. */
typedef enum mpt_triangle {
  MPT_TRIANGLE_FULL = 0,
  MPT_TRIANGLE_LOWER = 1,
  MPT_TRIANGLE_UPPER = 2,
  MPT_TRIANGLE_AVERAGE = 3
} mpt_triangle;

/* The convention of complex gradients and of the cotangents that they are made of: PyTorch's,
 * dL = Re tr(G^H dA), or JAX's, dL = Re tr(G^T dA). Each is the other's complex conjugate. */
typedef enum mpt_convention { MPT_CONVENTION_TORCH = 0, MPT_CONVENTION_JAX = 1 } mpt_convention;

/* Whether a loss that depends on the basis inside a multiplet is a warning or a failure. */
typedef enum mpt_gauge_policy { MPT_GAUGE_WARN = 0, MPT_GAUGE_FAIL = 1 } mpt_gauge_policy;

/* What happens to eigenvalue cotangents that differ inside a multiplet if no form of the loss is
 * certified. MEAN: they are replaced by their mean, the gauge average. RAW: they are kept. REFUSE:
 * the problem fails. UNBIASED: the gradient is an estimate whose mean over random bases
 * (MPT_BASIS_TURNED, another seed each time) is the gradient of any basis-independent loss. */
typedef enum mpt_spread_policy {
  MPT_SPREAD_MEAN = 0,
  MPT_SPREAD_RAW = 1,
  MPT_SPREAD_REFUSE = 2,
  MPT_SPREAD_UNBIASED = 3
} mpt_spread_policy;

/* The vectors inside a multiplet. TURNED: the solver's, turned by a pseudo-random unitary (or
 * orthogonal) matrix that the seed decides, so that no loss can hide that it depends on them.
 * SOLVER: as the solver left them. */
typedef enum mpt_basis { MPT_BASIS_TURNED = 0, MPT_BASIS_SOLVER = 1 } mpt_basis;

/* The solver; AUTO chooses by type and size. */
typedef enum mpt_solver {
  MPT_SOLVER_AUTO = 0,
  MPT_SOLVER_LANES = 1, /* many small matrices side by side, one in each vector lane */
  MPT_SOLVER_LAPACK = 2 /* one after the other: the reference */
} mpt_solver;

/* NULL or 0 for an invalid type. Names are in static storage. */
MPT_API const char *mpt_type_name(mpt_type type); /* "complex128" */
MPT_API size_t mpt_type_size(mpt_type type);      /* bytes of one matrix element */
MPT_API size_t mpt_real_size(mpt_type type);      /* bytes of one eigenvalue */
MPT_API double mpt_type_epsilon(mpt_type type);   /* 2^-52 or 2^-23 */
MPT_API int mpt_type_is_complex(mpt_type type);
MPT_API int mpt_type_from_name(const char *name, mpt_type *type); /* 0 if there is none */

#ifdef __cplusplus
}
#endif
#endif
