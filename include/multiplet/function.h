/* Matrix functions and frames, differentiable at any degeneracy.
 *
 * f(A) = V f(w) V^H, and with C = V^H gF V (gF made Hermitian first)
 *
 *   G = V [D o C] V^H,   D_ij = f[w_i, w_j] = (f(w_i) - f(w_j)) / (w_i - w_j),   f'(w_i) if equal
 *
 * (Daleckii and Krein 1965). D is computed without cancellation at any distance of two eigenvalues,
 * none included.
 *
 * sqrt, xlogx and power with a positive exponent that is no whole number are defined on positive
 * semidefinite matrices: eigenvalues within rounding of zero, 5 sqrt(n) eps ||A||_2 on either side,
 * count as zero, with f(0) = 0, and G is that of the matrix in which they are zero. With sqrt,
 * xlogx and exponents below 1, f' is infinite there: the derivative exists where C has no part in
 * the null space. Where it has one, by more than sqrt(eps) of its norm, the status is
 * MPT_STATUS_NULL_SPACE, that part is left out, and mpt_report.null_violation is its share. */
#ifndef MULTIPLET_FUNCTION_H
#define MULTIPLET_FUNCTION_H

#include <stddef.h>
#include "eigh.h"
#include "selected.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum mpt_function_kind {
  MPT_FUNCTION_EXP = 0,
  MPT_FUNCTION_LOG = 1,
  MPT_FUNCTION_SQRT = 2,
  MPT_FUNCTION_INV_SQRT = 3,
  MPT_FUNCTION_INVERSE = 4,
  MPT_FUNCTION_POWER = 5,
  MPT_FUNCTION_TANH = 6,
  MPT_FUNCTION_SIN = 7,
  MPT_FUNCTION_COS = 8,
  MPT_FUNCTION_FERMI = 9,      /* 1 / (exp(beta (A - mu)) + 1) */
  MPT_FUNCTION_PROJECTOR = 10, /* onto the eigenvectors of an index range */
  MPT_FUNCTION_SOFTPLUS = 11,  /* log(1 + exp(A)) */
  MPT_FUNCTION_ABS = 12,       /* |A| = (A^2)^(1/2); 0 has the derivative 0 */
  MPT_FUNCTION_SIGN = 13,      /* A |A|^-1 */
  MPT_FUNCTION_CLAMP_MIN = 14, /* max(A, minimum); at the minimum the derivative 1/2 */
  /* Occupations at x = (A - mu) / sigma; for methfessel_paxton and cold see mpt_function.mu */
  MPT_FUNCTION_GAUSSIAN = 15,          /* erfc(x) / 2 */
  MPT_FUNCTION_METHFESSEL_PAXTON = 16, /* of order 1: erfc(x) / 2 - x exp(-x^2) / (2 sqrt(pi)) */
  MPT_FUNCTION_COLD = 17,  /* erfc(u) / 2 + exp(-u^2) / sqrt(2 pi), u = x + 1/sqrt(2) (Marzari and
                              Vanderbilt) */
  MPT_FUNCTION_XLOGX = 18, /* A log A, the entropy's; 0 has the value 0 */
  MPT_FUNCTION_KINDS
} mpt_function_kind;

typedef struct mpt_function {
  size_t size; /* sizeof(mpt_function) */
  mpt_function_kind kind;
  double scale;     /* f(scale * A) for all but occupations and projector; 0: 1 */
  double exponent;  /* power */
  double beta, mu;  /* fermi; mu of all occupations */
  double electrons; /* occupations: if above 0, mu is solved for, tr f(A) = electrons; the member mu
                       is not read, and the response of mu is part of the gradient. With
                       methfessel_paxton and cold, which do not fall everywhere, several mu may do:
                       it is the one nearest to gaussian's for the same sigma, as far as a search in
                       steps of sigma / 16 sees them */
  int64_t index[2]; /* projector: eigenvalues index[0] to index[1] - 1 in ascending order */
  double sigma;     /* gaussian, methfessel_paxton and cold: the width */
  double order;     /* methfessel_paxton: a whole number from 1 to 8; 0: 1 */
  double minimum;   /* clamp_min */
} mpt_function;

/* Occupations of eigenvalues w [count, n], which need not ascend, by a function that is fermi,
 * gaussian, methfessel_paxton or cold. Where it gives `electrons`, mu is solved for: without
 * weights, of each matrix, mu [count]; with weights [count], not negative, one mu for all, mu [1]:
 *
 *   sum_k weights_k sum_i f(w_ki) = electrons
 *
 * Weights that are not whole numbers have rounding errors, so electrons within 8 eps of what fills
 * whole levels are taken to fill them. occupations, slopes (df/dw at fixed mu) and response
 * (dmu/dw, which is weights_k slopes_ki / S with S = sum weights slopes; of each mu its sum is 1,
 * also where S underflows, as in a gap; 0 where mu was given) are [count, n]. Each output may be
 * NULL. With these,
 *
 *   d f_ki = slopes_ki (dw_ki - dmu),  dmu = sum response dw + electrons' change / -S
 *
 * and for a loss of f(A_k), given its cotangents gF_k and C_k = V_k^H gF_k V_k,
 *
 *   G_k = (mpt_matrix_function_backward at fixed mu) - T V_k diag(response_k) V_k^H,
 *   T = sum_ki slopes_ki C_k,ii
 *
 * MPT_BAD_USAGE for an invalid argument and for as many electrons as the levels hold or more;
 * MPT_NO_RESOURCE without memory. */
MPT_API mpt_code mpt_occupations(int64_t n, int64_t count, const mpt_function *function,
                                 const double *weights, const double *w, double *occupations,
                                 double *slopes, double *response, double *mu, mpt_error *error);

/* f(A) of a batch in memory; arrays, errors and eigenpairs as for mpt_eigh. f [count, n, n]; w and
 * v are for the backward pass. f is zero under MPT_STATUS_FUNCTION_UNDEFINED and
 * MPT_STATUS_SPLIT_MULTIPLET (a projector that cuts a multiplet). */
MPT_API mpt_code mpt_matrix_function(mpt_type type, int64_t n, int64_t count,
                                     const mpt_options *options, const mpt_function *function,
                                     const void *a, void *f, void *w, void *v, int32_t *multiplet,
                                     mpt_report *report, mpt_error *error);

/* G from gf [count, n, n] and the forward pass's w and v; a may be NULL, as for mpt_eigh_backward.
 */
MPT_API mpt_code mpt_matrix_function_backward(mpt_type type, int64_t n, int64_t count,
                                              const mpt_options *options,
                                              const mpt_function *function, const void *a,
                                              const void *w, const void *v, const void *gf, void *g,
                                              int32_t *multiplet, mpt_report *report,
                                              mpt_error *error);

/* The second derivative of f(A) along the Hermitian parts of e and c [count, n, n], symmetric in
 * them, into s [count, n, n]; w and v are the forward pass's. It is the derivative of
 * mpt_matrix_function_backward's G for the cotangent e as A moves along c. With E = V^H e V and
 * C = V^H c V
 *
 *   s = V S V^H,   S_ij = sum_k f[w_i, w_k, w_j] (E_ik C_kj + C_ik E_kj),
 *
 * f[x, y, z] being the second divided difference, computed without cancellation at any distance of
 * the three (Higham, Functions of Matrices, 2008, section 3.2). At a fixed number of electrons,
 * with r_i the response of mu to eigenvalue i, it is that at fixed mu along E - tr(r E) and C -
 * tr(r C), less diag(r) times its trace. In double precision for all types; O(n^3) time and O(n^2)
 * memory. Under MPT_CONVENTION_JAX all three of e, c and s are conjugated.
 *
 * Of a report status, min_gap and seconds are set. MPT_STATUS_FUNCTION_UNDEFINED, with s zero, also
 * where eigenvalues count as zero (see above), or lie within as much of a kink of abs, sign or
 * clamp_min: no second derivative exists there. MPT_STATUS_NONFINITE_COTANGENT, with s zero, where
 * e or c is not finite, or s is too large for the type. */
MPT_API mpt_code mpt_matrix_function_second(mpt_type type, int64_t n, int64_t count,
                                            const mpt_options *options,
                                            const mpt_function *function, const void *w,
                                            const void *v, const void *e, const void *c, void *s,
                                            int32_t *multiplet, mpt_report *report,
                                            mpt_error *error);

/* Occupations f(A_k) of `count` matrices that share one chemical potential, as k-points do:
 *
 *   sum_k weights_k tr f(A_k) = function->electrons,    weights [count], not negative
 *
 * *mu (NULL: not wanted) receives it. Arrays are as for mpt_matrix_function. Where one matrix
 * fails, mu is not known: the others are MPT_STATUS_FUNCTION_UNDEFINED, and all outputs zero.
 * MPT_BAD_USAGE as for mpt_occupations. */
MPT_API mpt_code mpt_weighted_function(mpt_type type, int64_t n, int64_t count,
                                       const mpt_options *options, const mpt_function *function,
                                       const double *weights, const void *a, void *f, void *w,
                                       void *v, double *mu, int32_t *multiplet, mpt_report *report,
                                       mpt_error *error);

/* G of all matrices from gf of all, the response of mu included (the formula at mpt_occupations).
 */
MPT_API mpt_code mpt_weighted_function_backward(mpt_type type, int64_t n, int64_t count,
                                                const mpt_options *options,
                                                const mpt_function *function, const double *weights,
                                                const void *w, const void *v, const void *gf,
                                                void *g, int32_t *multiplet, mpt_report *report,
                                                mpt_error *error);

/* A frame's subspace, the eigenvectors index[0] to index[1] - 1, and its reference R [n, columns]
 * for all problems, or with `each` [count, n, columns]; 1 <= columns <= index[1] - index[0]. */
typedef struct mpt_frame_spec {
  size_t size; /* sizeof(mpt_frame_spec) */
  int64_t index[2], columns;
  const void *reference;
  int each, reserved; /* reserved: 0 */
} mpt_frame_spec;

/* The frame P R (R^H P R)^(-1/2), P being the projector on the subspace: the smooth stand-in for
 * eigenvectors inside a multiplet, orthonormal and independent of the basis there. f
 * [count, n, columns]. MPT_STATUS_SPLIT_MULTIPLET when the range cuts a multiplet,
 * MPT_STATUS_FUNCTION_UNDEFINED when R misses the subspace; report.frame_condition says how near
 * that is. */
MPT_API mpt_code mpt_frame(mpt_type type, int64_t n, int64_t count, const mpt_options *options,
                           const mpt_frame_spec *frame, const void *a, void *f, void *w, void *v,
                           int32_t *multiplet, mpt_report *report, mpt_error *error);

/* G, and the derivative by R, gr [count, n, columns] (NULL: not wanted), from gf. */
MPT_API mpt_code mpt_frame_backward(mpt_type type, int64_t n, int64_t count,
                                    const mpt_options *options, const mpt_frame_spec *frame,
                                    const void *a, const void *w, const void *v, const void *gf,
                                    void *g, void *gr, int32_t *multiplet, mpt_report *report,
                                    mpt_error *error);

/* "exp", "inv_sqrt", ...; NULL if there is no such kind. Static storage. */
MPT_API const char *mpt_function_name(int kind);

/* What a parameter of a function may be. */
typedef enum mpt_domain {
  MPT_DOMAIN_NUMBER = 0, /* finite, as all numbers */
  MPT_DOMAIN_NONZERO = 1,
  MPT_DOMAIN_POSITIVE = 2,
  MPT_DOMAIN_BELOW_N = 3, /* above 0 and below n */
  MPT_DOMAIN_INDEX = 4,   /* [2], 0 <= [0] < [1] <= n */
  MPT_DOMAIN_ORDER = 5    /* a whole number from 1 to 8 */
} mpt_domain;

typedef enum mpt_need {
  MPT_NEED_OPTIONAL = 0,
  MPT_NEED_REQUIRED = 1,
  MPT_NEED_ONE_OF = 2 /* exactly one of those of the kind that have this need; the others are 0 */
} mpt_need;

typedef struct mpt_parameter {
  const char *name; /* of its member of mpt_function */
  mpt_domain domain;
  mpt_need need;
  double standard; /* an optional one that is not given; in mpt_function 0 says that, too */
  size_t offset;   /* of its member */
} mpt_parameter;

/* The parameters of a kind, from index 0 on, for bindings and messages; NULL after the last one.
 * Static storage. */
MPT_API const mpt_parameter *mpt_function_parameter(int kind, int index);

#ifdef __cplusplus
}
#endif
#endif
