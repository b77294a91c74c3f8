/* The backward pass: from the derivatives of a real loss L with respect to eigenvalues and
 * eigenvectors to its derivative with respect to the matrix, finite and exact at repeated
 * eigenvalues.
 *
 *   G = V [F o skew(V^H gV) + diag(gw)] V^H,   dL = Re tr(G^H dA),   F_ij = 1 / (w_j - w_i),
 *
 * F is zero inside a multiplet (Magnus 1985 for simple eigenvalues). A loss of V f(w) V^H, composed
 * through the eigenpairs, is recognised by its cotangents and has its exact gradient at every gap,
 * none included (src/spectral/backward.h). If the loss depends on the basis inside a multiplet, no
 * derivative exists: that part is dropped, and the report says how large it was. If the loss tells
 * equal eigenvalues apart and no form of it is certified, the status is MPT_STATUS_SUBGRADIENT, and
 * the spread policy decides on the gradient. */
#ifndef MULTIPLET_GRADIENT_H
#define MULTIPLET_GRADIENT_H

#include "eigh.h"

#ifdef __cplusplus
extern "C" {
#endif

/* a, w and v as mpt_eigh took and gave them: cotangents belong to the very vectors that the loss
 * saw. gw [count, n], real, and gv [count, n, n]; either may be NULL for zero. g [count, n, n] is
 * Hermitian, in the convention of the options, and zero for a failed problem. w and v are input. a
 * may be NULL: the pairs are then taken as they are, and the report has no residual and no
 * orthogonality. The rest is as for mpt_eigh. */
MPT_API mpt_code mpt_eigh_backward(mpt_type type, int64_t n, int64_t count,
                                   const mpt_options *options, const void *a, const void *w,
                                   const void *v, const void *gw, const void *gv, void *g,
                                   int32_t *multiplet, mpt_report *report, mpt_error *error);

/* Forward and backward in one call, for cotangents known beforehand (gw of an energy, say). It
 * reads the arrays once instead of twice. gv takes the vectors to be as mpt_eigh would give them,
 * phases included. Arrays as above; v must not be NULL, because the gradient is made of it. */
MPT_API mpt_code mpt_eigh_with_gradient(mpt_type type, int64_t n, int64_t count,
                                        const mpt_options *options, const void *a, const void *gw,
                                        const void *gv, void *w, void *v, void *g,
                                        int32_t *multiplet, mpt_report *report, mpt_error *error);

/* Forward mode: how the eigenpairs move along a direction da [count, n, n], Hermitian, of which the
 * options' triangle is read as of a matrix.
 *
 *   dw_j = (V^H dA V)_jj,   dV = V (F o V^H dA V)
 *
 * in the parallel gauge, (v_j^H dv_j) = 0, with F as above and entries of V^H dA V below their
 * noise counted as zero. dw [count, n], real, and dv [count, n, n]; either may be NULL. A direction
 * that splits a multiplet has no derivatives of single pairs there: eigenvalues move by their mean,
 * unless the spread policy is to keep them, vectors not among themselves, and
 * report.tangent_splitting says how much was left out. report.tangent_error is the estimated
 * relative error. MPT_STATUS_NONFINITE_COTANGENT for a direction that is not finite. The rest is as
 * for mpt_eigh_backward. */
MPT_API mpt_code mpt_eigh_tangent(mpt_type type, int64_t n, int64_t count,
                                  const mpt_options *options, const void *w, const void *v,
                                  const void *da, void *dw, void *dv, int32_t *multiplet,
                                  mpt_report *report, mpt_error *error);

#ifdef __cplusplus
}
#endif
#endif
