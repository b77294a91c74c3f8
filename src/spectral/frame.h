/* Frames: V_hat = P R (R^H P R)^(-1/2), where P is the projector on an index range of eigenvectors.
 * V_hat is the orthonormal frame of their span that is nearest to R. It is smooth in A as long as R
 * does not miss the subspace, and does not depend on the basis that a solver returned.
 *
 * Everything is computed in the basis of eigenvectors: r = V^H R, c = U s W^H is the singular value
 * decomposition of the rows of r in the range, and V_hat = V_c U W^H. In the backward pass, with Z
 * = P R, U~ = V_c U and g the cotangent,
 *
 *   g_Z = U~ [(K - K^H)_ij / (s_i + s_j)] W^H + (1 - U~ U~^H) g W s^-1 W^H,   K = U~^H g W,
 *   g_R = P g_Z,   X_ij = herm(V^H g_Z r^H)_ij / (w_i - w_j) between inside and outside
 *
 * (the derivative of the polar factor: Higham, Functions of Matrices, 2008, section 8.2). All
 * arrays are double complex, whatever the type, and small: n x columns. */
#ifndef MPT_FRAME_H
#define MPT_FRAME_H

#include <complex.h>
#include "spectral/spectral.h"

typedef double _Complex mpt_wide;

/* Matrices are row-major. */
typedef struct mpt_spectral_frame {
  int64_t n, first, stop, columns;
  mpt_wide *r;            /* [n, columns]: V^H R */
  mpt_wide *y;            /* [n, columns]: V^H g, then V^H g_Z */
  mpt_wide *polar;        /* [stop - first, columns]: U W^H */
  mpt_wide *left, *right; /* [columns, stop - first] and [columns, columns]: columns of U and W */
  mpt_wide *small;        /* [columns, columns] */
  double *s;              /* [columns] singular values */
  double condition;       /* largest |R_j| / smallest singular value */
} mpt_spectral_frame;

/* Elements of `memory`. */
int64_t mpt_frame_memory(int64_t n, int64_t first, int64_t stop, int64_t columns);
void mpt_frame_lay_out(int64_t n, int64_t first, int64_t stop, int64_t columns, mpt_wide *memory,
                       mpt_spectral_frame *frame);

/* Computes polar, s and the condition from r. MPT_STATUS_SPLIT_MULTIPLET when the range cuts a
 * multiplet, MPT_STATUS_FUNCTION_UNDEFINED when R misses the subspace to within rounding. */
mpt_status mpt_frame_start(const int32_t *multiplet, double epsilon, mpt_spectral_frame *frame);

/* Turns y from V^H g into V^H g_Z. */
void mpt_frame_pull_back(mpt_spectral_frame *frame);

#endif
