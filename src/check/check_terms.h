/* The terms that matrix functions and frames add to a loss, for its central differences. All in
 * double complex, on one rank. Private to check*.c. */
#ifndef MPT_CHECK_TERMS_H
#define MPT_CHECK_TERMS_H

#include "check/check.h"
#include "spectral/frame.h"
#include "spectral/function.h"

/* L = sum_f Re tr(gF^H f(A)) + Re tr(g^H frame(A)). */
typedef struct mpt_loss_terms {
  int64_t n, count;  /* number of functions that have a cotangent */
  double resolution; /* mpt_resolution() of the result's type */
  const mpt_function **functions;
  mpt_wide *cotangents;     /* [count][n, n], column-major */
  mpt_wide *product;        /* [n, n] */
  double *memory;           /* for one function */
  int32_t *apart;           /* [n], numbers of multiplets if each eigenvalue is one of its own */
  mpt_spectral_frame frame; /* columns is 0: no frame */
  bool frame_counts;        /* it is part of the loss */
  mpt_wide *frame_memory, *reference, *frame_cotangent; /* [n, columns], row-major */
  double reach, level; /* how far A may move with little change of the outputs; their size in L */
  bool null; /* a function takes eigenvalues for zero, and is smooth only where they stay */
} mpt_loss_terms;

/* Reads rows x columns of problem `problem`, row-major, of either scalar type; *there is false
 * where there is no such dataset. */
mpt_code mpt_read_wide(hid_t file, const char *path, int64_t problem, int64_t rows, int64_t columns,
                       mpt_type type, mpt_wide *out, bool *there, mpt_error *error);

/* Transposes a square matrix in place: from row-major to column-major and back. */
void mpt_turn_wide(int64_t n, mpt_wide *matrix);

/* Reads the cotangents of one problem, if there are any, and the frame's reference. The caller
 * releases the terms, also after a failure. */
mpt_code mpt_loss_terms_read(const mpt_check *check, const mpt_check_group *group, hid_t cotangents,
                             int64_t problem, mpt_loss_terms *terms, mpt_error *error);
void mpt_loss_terms_release(mpt_loss_terms *terms);

/* Sets reach, level and null for these eigenpairs (column-major); false where an output does not
 * exist. */
bool mpt_loss_terms_prepare(mpt_loss_terms *terms, const double *w, const mpt_wide *v);

/* The size of a function on a spectrum: the distance over which it changes by about its own value,
 * its largest value and its largest divided difference (a step has no slope anywhere); false where
 * the function does not exist. */
typedef struct mpt_function_size {
  double reach, largest, steepest;
} mpt_function_size;
bool mpt_loss_terms_function(mpt_loss_terms *terms, const mpt_function *function, const double *w,
                             mpt_spectral_function *out, mpt_function_size *size);

/* Re tr(g^H frame), and the gap at the ends of the frame's range. */
bool mpt_loss_terms_frame_part(mpt_loss_terms *terms, const mpt_wide *v, double *value);
double mpt_loss_terms_frame_gap(const mpt_loss_terms *terms, const double *w);

/* The Frobenius norm. */
double mpt_wide_norm(int64_t count, const mpt_wide *x);

/* The frame itself, [n, columns] row-major; false where it does not exist. */
bool mpt_loss_terms_frame(mpt_loss_terms *terms, const mpt_wide *v, mpt_wide *out);

/* The terms' part of the loss. */
bool mpt_loss_terms_value(mpt_loss_terms *terms, const double *w, const mpt_wide *v, double *value);

#endif
