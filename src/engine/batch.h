/* A batch: some problems of one shape, with the caller's arrays of inputs and outputs.
 *
 * It belongs to a team of ranks. Each rank holds a slab of whole rows of every matrix, row-major as
 * in the file; a team of one holds all rows. Nothing here is collective. */
#ifndef MPT_BATCH_H
#define MPT_BATCH_H

#include <multiplet/eigh.h>
#include <multiplet/function.h>
#include "base/quantity.h"
#include "spectral/spectral.h"

/* One matrix function of a batch. Each array is [count, rows, n]; NULL: an output not wanted, or an
 * input that is zero. */
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

/* The shape of a batch's frame R (R^H P R)^(-1/2), where P is the projector on an index range. */
typedef struct mpt_frame_shape {
  int64_t index[2], columns; /* columns of R; 0: no frame */
  bool each;                 /* each problem has an R of its own */
} mpt_frame_shape;

/* The factors A = Q T Q^H of a batch as LAPACK's ?hetrd('L') leaves them; since the matrices are
 * row-major, they are those of conj(A). A pass over a selection keeps the factors, or takes given
 * ones; reflectors NULL: neither. An engine that solves the whole spectrum, as lanes does, keeps or
 * takes all eigenvectors in the place of the reflectors; tau and T need not be there, or T is zero
 * and the last tau 1. */
typedef struct mpt_factor_arrays {
  void *reflectors;             /* [count, rows, n] */
  void *tau;                    /* [count, n]; the last is 0, or 1 */
  void *diagonal, *offdiagonal; /* of T, [count, n] real; the last offdiagonal is 0 */
  void *eigenvalues;            /* of T, [count, n] real, ascending */
} mpt_factor_arrays;

/* `count` problems of one shape. The caller owns the arrays; optional ones may be NULL. The arrays
 * of a failed problem are zeroed, so that no unfinished result is ever seen.
 *
 * An array can be addressed by its name here or by its quantity (base/quantity.h), whose row
 * describes it; batch.c ties the two together.
 *
 * In the shapes, m is the number of columns that `select` gives, mpt_batch_columns(). With a range,
 * only `found` of them are there, and the rest is zero. */
typedef struct mpt_batch {
  mpt_type type;
  int64_t count, n, row0, rows;
  bool given;        /* w and v are given (two-pass) and only read; nothing is solved */
  bool factor_given; /* `factor` is given, too */
  mpt_select select;
  mpt_frame_shape frame;
  union {
    void *array[MPT_BATCH_QUANTITIES]; /* by quantity */
    struct {
      void *a; /* [count, rows, n]; see writes_input. May be NULL with `given`: no certificate */
      void *w; /* [count, m] real */
      void *v; /* [count, rows, m], NULL: eigenvalues only */
      const void *gw, *gv;   /* [count, m] real and [count, rows, m]; NULL: zero */
      void *g;               /* [count, rows, n], NULL: no gradient */
      int32_t *multiplet;    /* [count, m] */
      int32_t *found;        /* [count], NULL unless select is a range */
      const void *reference; /* of the frame: [rows, columns]; with `each` [count, rows, columns] */
      void *frame_value;     /* [count, rows, columns] */
      const void *gframe;    /* likewise, the cotangents of the frame */
      void *greference;      /* likewise, the gradient with respect to the reference */
      void *da;              /* [count, rows, n]: a Hermitian direction, NULL: none; see
                                writes_input */
      mpt_factor_arrays factor;
      void *dw, *dv; /* derivatives along da, [count, m] real and [count, rows, m] */
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
  int64_t columns; /* the columns of a selection if nobody asks for other eigenpairs, else 0 */
} mpt_shape;

/* The shape for an engine that processes only this batch. */
mpt_shape mpt_batch_shape(const mpt_batch *batch);

/* Whether the batch has functions, a frame or a direction. */
bool mpt_has_outputs(const mpt_batch *batch);

/* Problems `first` to first + count - 1 of a batch. The arrays are shared, not copied; `functions`
 * has room for as many functions as the batch has. */
mpt_batch mpt_batch_slice(const mpt_batch *batch, int64_t first, int64_t count,
                          mpt_function_arrays *functions);

/* The same problems with eigenpairs only: no outputs that are made from them. */
mpt_batch mpt_batch_pairs(const mpt_batch *batch);

/* Bytes of a quantity for one problem. */
size_t mpt_batch_bytes(const mpt_batch *batch, mpt_quantity quantity);

/* Where the batch stores the pointer to that array; of function `f` if each function has one. */
void **mpt_batch_array(mpt_batch *batch, mpt_quantity quantity, int f);

/* How many arrays of that quantity a batch may have: one, or one for each function. */
int mpt_batch_holders(const mpt_batch *batch, mpt_quantity quantity);

/* Where problem k's part begins in an array with `each` elements of `size` bytes per problem. */
void *mpt_part_of(const void *array, int64_t k, int64_t each, size_t size);

/* Zeroes w and v of problem k, which failed, unless they are given. */
void mpt_zero_pairs(mpt_batch *batch, int64_t k);

/* Zeroes the gradients of problem k, which a policy has refused. */
void mpt_zero_gradient(mpt_batch *batch, int64_t k);

/* Zeroes all outputs of problem k, which failed, and its report except status and seconds. */
void mpt_zero_outputs(mpt_batch *batch, int64_t k);

#endif
