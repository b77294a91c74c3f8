/* A batch: some problems of one shape, and the caller's arrays of what goes in and what comes out.
 *
 * It belongs to a team of ranks, which hold each matrix as a slab of whole rows, row-major as in
 * the file; a team of one holds all rows. Nothing here is collective. */
#ifndef MPT_BATCH_H
#define MPT_BATCH_H

#include <multiplet/eigh.h>
#include <multiplet/function.h>
#include "spectral/spectral.h"

/* One matrix function of a batch; each array is [count, rows, n], NULL: not wanted, or zero. */
typedef struct mpt_function_arrays {
  mpt_function function;
  void *value;
  const void *cotangent;
  void *tangent; /* derivative along batch.da */
  double *mu;    /* [count] of a fermi function at fixed electron number, or NULL */
} mpt_function_arrays;

/* The frame of a batch: R (R^H P R)^(-1/2) of the projector P on an index range. */
typedef struct mpt_frame_arrays {
  int64_t index[2], columns; /* columns of R; 0: no frame */
  const void *reference;     /* R: [rows, columns], or with `each` [count, rows, columns] */
  bool each;
  void *value, *gradient_reference; /* [count, rows, columns] or NULL */
  const void *cotangent;            /* likewise */
} mpt_frame_arrays;

/* A = Q T Q^H of a batch, or rather conj(A) = Q T Q^H, for the matrices are row-major: what
 * LAPACK's ?hetrd('L') leaves. A pass through a selection keeps it, or takes it as given;
 * reflectors NULL: neither. One that solves the whole spectrum, as lanes do, keeps or takes all
 * eigenvectors in the reflectors' place, and has no need of T. */
typedef struct mpt_factor_arrays {
  void *reflectors;             /* [count, rows, n] */
  void *tau;                    /* [count, n] */
  void *diagonal, *offdiagonal; /* of T, [count, n] real; the last of the second is 0 */
  void *eigenvalues;            /* of T, [count, n] real, ascending */
  bool given;
} mpt_factor_arrays;

/* `count` problems of one shape. Arrays are the caller's; optional ones may be NULL. Those of a
 * failed problem are zeroed, so that nothing half-done is ever seen.
 *
 * batch.c has the table of all arrays: one that is added here is added there.
 *
 * m in the shapes is the number of columns that `select` gives, mpt_batch_columns(). Under a range,
 * where `found` of them are there, the rest is zero. */
typedef struct mpt_batch {
  mpt_type type;
  int64_t count, n, row0, rows;
  bool given; /* w and v are given (two-pass) and only read: nothing is solved */
  mpt_select select;
  void *a;             /* [count, rows, n]; see writes_input. NULL when given: no certificate */
  void *w;             /* [count, m] real */
  void *v;             /* [count, rows, m], NULL: eigenvalues only */
  const void *gw, *gv; /* [count, m] real and [count, rows, m]; NULL: zero */
  void *g;             /* [count, rows, n], NULL: no gradient */
  int32_t *multiplet;  /* [count, m] */
  int32_t *found;      /* [count], NULL unless select is a range */
  mpt_report *report;  /* [count] */
  mpt_function_arrays *functions;
  int function_count;
  mpt_frame_arrays frame;
  mpt_factor_arrays factor;
  void *da;      /* [count, rows, n]: a Hermitian direction, NULL: none; see writes_input */
  void *dw, *dv; /* derivatives along it, [count, m] real and [count, rows, m], or NULL */
} mpt_batch;

int64_t mpt_batch_columns(const mpt_batch *batch);

/* What an engine needs to know when it is opened. */
typedef struct mpt_shape {
  mpt_type type;
  int64_t n;
  int64_t block; /* 0: the engine chooses */
  bool vectors, backward;
  bool outputs;    /* functions, frames or tangents */
  int64_t columns; /* of a selection whose other pairs nobody asks for; else 0 */
} mpt_shape;

/* Of an engine for this batch alone. */
mpt_shape mpt_batch_shape(const mpt_batch *batch);

/* Whether it has functions, a frame or a direction. */
bool mpt_has_outputs(const mpt_batch *batch);

/* Problems first.. of a batch, `count` of them, in place; `functions` is room for as many as it
 * has. */
mpt_batch mpt_batch_slice(const mpt_batch *batch, int64_t first, int64_t count,
                          mpt_function_arrays *functions);

/* The same problems with nothing to be made of their eigenpairs. */
mpt_batch mpt_batch_pairs(const mpt_batch *batch);

/* Where problem k's part of an array with `each` elements of `size` bytes a problem begins. */
void *mpt_part_of(const void *array, int64_t k, int64_t each, size_t size);

/* Zeroes w and v of problem k: of one that failed, unless they are given. */
void mpt_zero_pairs(mpt_batch *batch, int64_t k);

/* What a policy has refused of problem k: its gradients. */
void mpt_zero_gradient(mpt_batch *batch, int64_t k);

/* All outputs of problem k, which failed, and its report but for status and seconds. */
void mpt_zero_outputs(mpt_batch *batch, int64_t k);

#endif
