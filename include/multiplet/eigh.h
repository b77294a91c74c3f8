/* Eigenpairs of a batch of Hermitian matrices in memory.
 *
 * Matrices are contiguous [count, n, n], row-major, of one of the four types. The caller owns all
 * arrays. Const arrays are never written, not even temporarily; outputs must not overlap them.
 * Nothing here is collective and nothing needs MPI_Init.
 *
 *   const mpt_options options = {.size = sizeof options, .threads = 4};
 *   mpt_eigh(MPT_COMPLEX128, 8, 1000, &options, a, w, v, multiplet, report, &error);
 *
 * Threads: a call uses options->threads threads, its own among them: those of an OpenMP runtime
 * that is in the process already, or new ones, which end with it. From n = 512 on, a matrix at a
 * time is solved on all of them, as far as the BLAS takes their number from OpenMP or is the
 * library's own; another BLAS with threads of its own must be limited by its own variable. Results
 * do not depend on the rest of the batch, and below n = 512 not on the number of threads. Several
 * threads may call at once; calls on large matrices with several threads wait for each other.
 * fork() waits for calls that are under way.
 *
 * Errors: MPT_BAD_USAGE for an invalid argument, MPT_NO_RESOURCE without memory for the workspace.
 * *error (which may be NULL) says which; no output has been written then.
 *
 * Column-major callers (Fortran, Julia, MATLAB): arrays are a(n, n, count) and w(n, count). The
 * library then sees the transpose of each matrix A, which is conj(A). It has the same eigenvalues.
 * In the caller's indices,
 *
 *   v          eigenvector j of A is conj(v(j, :)): A V^H = V^H diag(w); real types: rows of v
 *   triangle   MPT_TRIANGLE_LOWER reads the upper triangle of A, and MPT_TRIANGLE_UPPER the lower
 *   f          f(A), as it stands
 *   frames     the reference is R^H and the frame F^H, both (columns, n, count)
 *   gv, g, gf  belong to v, a and f element by element: dL = Re sum conj(g) dA
 *              in MPT_CONVENTION_TORCH
 *
 * Multiplets are numbered, and index ranges counted, from 0. tests/portability/columns.f90 and
 * tests/unit/test_columns.c are examples. */
#ifndef MULTIPLET_EIGH_H
#define MULTIPLET_EIGH_H

#include "solver.h"
#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How problems are solved and differentiated. All zeros but `size` are the defaults.
 *
 * Every structure that a call reads begins with its size, sizeof the structure, so that a newer
 * library serves a program that was compiled with an older header: members that the older header
 * lacks have their default, 0. A larger structure of a newer header is accepted if the members that
 * this library lacks are 0. Any other size, including 0, is MPT_BAD_USAGE. New members come last,
 * and no structure ends with padding. */
typedef struct mpt_options {
  size_t size; /* sizeof(mpt_options) */
  mpt_triangle triangle;
  double tolerance; /* of multiplets, relative to ||A||_2; 0: what rounding cannot tell apart */
  mpt_gauge_policy gauge_policy;
  mpt_spread_policy spread_policy;
  mpt_convention convention;
  int threads; /* 0: one */
  mpt_solver solver;
  mpt_basis basis;           /* of the vectors inside a multiplet */
  uint64_t seed;             /* of the bases that TURNED draws */
  mpt_solver_handle *handle; /* keeps workspaces from call to call (solver.h); NULL: none */
} mpt_options;

/* How a gradient was carried through equal and near eigenvalues; of several rules, the last in this
 * order. */
typedef enum mpt_gradient_rule {
  MPT_RULE_PLAIN = 0,    /* quotients; equal eigenvalues had equal cotangents */
  MPT_RULE_FORM = 1,     /* the loss was certified to be one of V f(w) V^H */
  MPT_RULE_MEAN = 2,     /* cotangents of equal eigenvalues differed and became their mean */
  MPT_RULE_UNBIASED = 3, /* the estimate in a random basis */
  MPT_RULE_RAW = 4       /* cotangents that differed were kept as they were */
} mpt_gradient_rule;

/* The check that the first solution failed; 0 if there was no second solution. */
typedef enum mpt_failed_check {
  MPT_FAILED_NONE,
  MPT_FAILED_CONVERGENCE,
  MPT_FAILED_RESIDUAL,
  MPT_FAILED_ORTHOGONALITY,
  MPT_FAILED_OUTPUTS,
  MPT_FAILED_VALUES /* order, trace and norm */
} mpt_failed_check;

/* The outcome of one problem, and how far its numbers can be trusted. Calls write all of it. Its
 * size is fixed for this SOVERSION, so that arrays have a fixed stride; new members will take the
 * place of reserved ones, which are 0 until then. */
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
  int8_t retried;      /* 1: the first solution failed a check; the reference solved the problem */
  int8_t first_failed; /* the failed check (mpt_failed_check) */
  int8_t first_decade; /* and the power of ten of its value: 3 for 1000 */
  int refused;         /* by a policy: the problem counts as failed, the gradient is zero */
  double seconds;      /* the chunk's seconds / its problems */
  double null_violation; /* share of a function's cotangent, or of the direction, in the null space
                            of the matrix, where that function has no derivative, 0 to 1 */
  double reserved[5];    /* 0 */
} mpt_report;

/* For bindings of other languages: the name of member number `index` of mpt_report, its place and
 * its size in bytes, of which 1 and 4 are signed integers and 8 a double; NULL beyond the last.
 * `reserved` is not among them. */
MPT_API const char *mpt_report_member(int index, size_t *offset, size_t *bytes);

/* w [count, n]: real, ascending. v [count, n, n]: column j of each matrix is eigenvector j, of unit
 * norm, its largest component real and positive; NULL for eigenvalues only. multiplet [count, n]:
 * the number of the multiplet that each eigenvalue belongs to. report [count]. options NULL:
 * defaults. Returns MPT_DONE even if problems failed: their reports say so, and the batch goes on.
 */
MPT_API mpt_code mpt_eigh(mpt_type type, int64_t n, int64_t count, const mpt_options *options,
                          const void *a, void *w, void *v, int32_t *multiplet, mpt_report *report,
                          mpt_error *error);

#ifdef __cplusplus
}
#endif
#endif
