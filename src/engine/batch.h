/* A batch: some problems of one shape, and the caller's arrays of what goes in and what comes out.
 *
 * It belongs to a team of ranks, which hold each matrix as a slab of whole rows, row-major as in
 * the file; a team of one holds all rows. Nothing here is collective. */
#ifndef MPT_BATCH_H
#define MPT_BATCH_H

#include <multiplet/eigh.h>
#include <multiplet/function.h>
#include "base/quantity.h"
#include "spectral/spectral.h"

/* One matrix function of a batch; each array is [count, rows, n], NULL: not wanted, or zero. */
typedef struct mpt_function_arrays {
  mpt_function function;
  union {
    void *array[MPT_FUNCTION_QUANTITIES]; /* by quantity, from MPT_FUNCTION on */
    struct {
      void *value;
      const void *cotangent;
      void *tangent; /* derivative along batch.da */
      double *mu;    /* [count] of a fermi function at fixed electron number, or NULL */
    };
  };
} mpt_function_arrays;

/* Of the frame of a batch: R (R^H P R)^(-1/2) of the projector P on an index range. */
typedef struct mpt_frame_shape {
  int64_t index[2], columns; /* columns of R; 0: no frame */
  bool each;                 /* each problem has an R of its own */
} mpt_frame_shape;

/* A = Q T Q^H of a batch, or rather conj(A) = Q T Q^H, for the matrices are row-major: what
 * LAPACK's ?hetrd('L') leaves. A pass through a selection keeps it, or takes it as given;
 * reflectors NULL: neither. One that solves the whole spectrum, as lanes do, keeps or takes all
 * eigenvectors in the reflectors' place, and has no need of T. */
typedef struct mpt_factor_arrays {
  void *reflectors;             /* [count, rows, n] */
  void *tau;                    /* [count, n] */
  void *diagonal, *offdiagonal; /* of T, [count, n] real; the last of the second is 0 */
  void *eigenvalues;            /* of T, [count, n] real, ascending */
} mpt_factor_arrays;

/* `count` problems of one shape. Arrays are the caller's; optional ones may be NULL. Those of a
 * failed problem are zeroed, so that nothing half-done is ever seen.
 *
 * An array goes by its name here, or by its quantity (base/quantity.h), whose row says what else
 * there is to know of it; batch.c holds the two together.
 *
 * m in the shapes is the number of columns that `select` gives, mpt_batch_columns(). Under a range,
 * where `found` of them are there, the rest is zero. */
typedef struct mpt_batch {
  mpt_type type;
  int64_t count, n, row0, rows;
  bool given;        /* w and v are given (two-pass) and only read: nothing is solved */
  bool factor_given; /* so is `factor` */
  mpt_select select;
  mpt_frame_shape frame;
  union {
    void *array[MPT_BATCH_QUANTITIES]; /* by quantity */
    struct {
      void *a;               /* [count, rows, n]; see writes_input. NULL when given: no
                                certificate */
      void *w;               /* [count, m] real */
      void *v;               /* [count, rows, m], NULL: eigenvalues only */
      const void *gw, *gv;   /* [count, m] real and [count, rows, m]; NULL: zero */
      void *g;               /* [count, rows, n], NULL: no gradient */
      int32_t *multiplet;    /* [count, m] */
      int32_t *found;        /* [count], NULL unless select is a range */
      const void *reference; /* of the frame: [rows, columns], or with `each` [count, rows,
                                columns] */
      void *frame_value;     /* [count, rows, columns] */
      const void *gframe;    /* likewise, its cotangents */
      void *greference;      /* likewise, the gradient by the reference */
      void *da;              /* [count, rows, n]: a Hermitian direction, NULL: none; see
                                writes_input */
      mpt_factor_arrays factor;
      void *dw, *dv; /* derivatives along it, [count, m] real and [count, rows, m] */
    };
  };
  mpt_report *report; /* [count] */
  mpt_function_arrays *functions;
  int function_count;
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

/* Bytes that one problem has of a quantity. */
size_t mpt_batch_bytes(const mpt_batch *batch, mpt_quantity quantity);

/* Where the batch has that array, of function `f` where each has one. */
void **mpt_batch_array(mpt_batch *batch, mpt_quantity quantity, int f);

/* How many arrays of that quantity a batch may have: one, or one for each function. */
int mpt_batch_holders(const mpt_batch *batch, mpt_quantity quantity);

/* Where problem k's part of an array with `each` elements of `size` bytes a problem begins. */
void *mpt_part_of(const void *array, int64_t k, int64_t each, size_t size);

/* Zeroes w and v of problem k: of one that failed, unless they are given. */
void mpt_zero_pairs(mpt_batch *batch, int64_t k);

/* What a policy has refused of problem k: its gradients. */
void mpt_zero_gradient(mpt_batch *batch, int64_t k);

/* All outputs of problem k, which failed, and its report but for status and seconds. */
void mpt_zero_outputs(mpt_batch *batch, int64_t k);

#endif
