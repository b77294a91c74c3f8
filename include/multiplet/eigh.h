/* Eigenpairs of a batch of Hermitian matrices in memory.
 *
 * Matrices are contiguous [count, n, n], row-major, of one of the four types. Arrays are the
 * caller's, and those that are const are not written, not even for a moment; outputs must not
 * overlap them. Nothing here is collective and nothing needs MPI_Init.
 *
 *   const mpt_options options = {.size = sizeof options, .threads = 4};
 *   mpt_eigh(MPT_COMPLEX128, 8, 1000, &options, a, w, v, multiplet, report, &error);
 *
 * Threads: as many as the options say, of OpenMP, and no more of a BLAS that takes its count from
 * OpenMP; one with threads of its own has to be told by its own variable. No result depends on
 * their number, nor on what else is in the batch. Calls from several threads at once are fine.
 *
 * Errors: MPT_BAD_USAGE for an argument that cannot be, MPT_NO_RESOURCE without memory for the
 * workspace, *error (which may be NULL) saying which; no output has been written then. */
#ifndef MULTIPLET_EIGH_H
#define MULTIPLET_EIGH_H

#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How problems are solved and differentiated; all zeros but `size` are the defaults.
 *
 * Structures that a call reads begin with their size, sizeof the structure, so that a newer library
 * serves a program that was compiled with an older header: members that the program does not know
 * have their default, 0. A larger structure, of a newer header, is accepted as long as what this
 * library does not know is 0. Anything else, a size of 0 among it, is MPT_BAD_USAGE. New members
 * come last; there is no padding behind the last one. */
typedef struct mpt_options {
  size_t size; /* sizeof(mpt_options) */
  mpt_triangle triangle;
  double tolerance; /* of multiplets, relative to ||A||_2; 0: what rounding cannot tell apart */
  mpt_gauge_policy gauge_policy;
  mpt_spread_policy spread_policy;
  mpt_convention convention;
  int threads; /* 0: one */
  mpt_solver solver;
  mpt_basis basis; /* of the vectors inside a multiplet */
  uint64_t seed;   /* of the bases that TURNED draws */
} mpt_options;

/* What carried a gradient through equal and near eigenvalues: of several, the last in this order.
 */
typedef enum mpt_gradient_rule {
  MPT_RULE_PLAIN = 0,    /* quotients; equal eigenvalues had equal cotangents */
  MPT_RULE_FORM = 1,     /* the loss was certified to be one of V f(w) V^H */
  MPT_RULE_MEAN = 2,     /* cotangents of equal eigenvalues differed and became their mean */
  MPT_RULE_UNBIASED = 3, /* the estimate in a random basis */
  MPT_RULE_RAW = 4       /* cotangents that differed were kept as they were */
} mpt_gradient_rule;

/* What a first solution that was given up had failed; 0 where there was none. */
typedef enum mpt_failed_check {
  MPT_FAILED_NONE,
  MPT_FAILED_CONVERGENCE,
  MPT_FAILED_RESIDUAL,
  MPT_FAILED_ORTHOGONALITY,
  MPT_FAILED_OUTPUTS,
  MPT_FAILED_VALUES /* order, trace and norm */
} mpt_failed_check;

/* What became of one problem, and how far its numbers can be trusted. Only calls write it. Its size
 * is fixed for this SOVERSION: arrays of it have no other stride, and new members take the place of
 * reserved ones, which are 0 until then. */
typedef struct mpt_report {
  int8_t status;           /* an mpt_status; outputs of a failed problem are zero */
  double largest;          /* max of all |Re|, |Im| of the matrix */
  double residual;         /* ||A V x - V (w o x)|| / (n eps ||A|| ||x||), two random probes x */
  double orthogonality;    /* ||V^H V x - x|| / (n eps ||x||), likewise */
  double min_gap;          /* smallest gap between multiplets / ||A||; 2 when there is only one */
  double gauge_violation;  /* largest 2 |K_ij| / (||gv_i|| + ||gv_j||) inside a multiplet, 0 to 1 */
  double cotangent_spread; /* largest spread of gw inside a multiplet / max|gw| */
  double gradient_error;   /* estimated relative error of the gradient */
  double frame_condition;  /* ||R||_2 / sqrt(lambda_min(R^H P R)); 0 without a frame */
  double tangent_splitting; /* how much a direction splits multiplets, 0 to 1, where derivatives of
                               single eigenvalues do not exist */
  double tangent_error;     /* estimated relative error of derivatives along a direction */
  double output_residual;   /* of gradient, functions, frame and tangents against their own factors,
                               by a random probe, in units of n eps */
  int8_t rule;              /* an mpt_gradient_rule */
  int8_t retried;           /* 1: the first solution failed its check; the reference solved it */
  int8_t
      first_failed; /* of those: an mpt_failed_check, and the decade of what it found: 3 for 1000 */
  int8_t first_decade;
  int refused;        /* by a policy: counts as failed, the gradient is zero */
  double seconds;     /* those of the chunk it was solved in / problems in the chunk */
  double reserved[6]; /* 0 */
} mpt_report;

/* w [count, n] real, ascending; v [count, n, n], column j of each is vector j, of unit norm, its
 * largest component real and positive (NULL: eigenvalues only); multiplet [count, n], the number of
 * the multiplet that each eigenvalue belongs to; report [count]. options NULL: the defaults.
 * Returns MPT_DONE also when problems failed: their reports say so, and the batch goes on. */
MPT_API mpt_code mpt_eigh(mpt_type type, int64_t n, int64_t count, const mpt_options *options,
                          const void *a, void *w, void *v, int32_t *multiplet, mpt_report *report,
                          mpt_error *error);

#ifdef __cplusplus
}
#endif
#endif
