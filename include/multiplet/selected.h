/* Some of the eigenpairs of a batch in memory, and their gradients. For k of n pairs the forward
 * pass takes one reduction A = Q T Q^H, T's eigenvectors by divide and conquer, and O(n^2 k). The
 * backward pass takes O(n^2 k), from the factors that the forward pass can keep.
 *
 *   const mpt_select lowest = {.size = sizeof lowest, .kind = MPT_SELECT_LOWEST, .at_most = 10};
 *   const int64_t m = mpt_select_columns(&lowest, n);
 *   mpt_eigh_selected(MPT_FLOAT64, n, count, NULL, &lowest, a, w, v, NULL, &factors, multiplet,
 *                     report, &error);
 *
 * Small matrices, which several at a time are faster to solve whole, are solved whole: the answers
 * are the same within rounding. */
#ifndef MULTIPLET_SELECTED_H
#define MULTIPLET_SELECTED_H

#include "eigh.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Which eigenpairs are wanted. */
typedef enum mpt_select_kind {
  MPT_SELECT_ALL = 0,
  MPT_SELECT_LOWEST = 1,  /* the `at_most` lowest */
  MPT_SELECT_HIGHEST = 2, /* the `at_most` highest, ascending */
  MPT_SELECT_INDEX = 3,   /* index[0] to index[1] - 1 */
  MPT_SELECT_RANGE = 4    /* range[0] <= w < range[1], no more than `at_most` */
} mpt_select_kind;

/* Where fewer than n eigenvalues are selected by number, what lies beyond them is left out: of 4
 * eigenvalues the 10 lowest are 4. */
typedef struct mpt_select {
  size_t size; /* sizeof(mpt_select) */
  mpt_select_kind kind;
  int64_t index[2];
  double range[2];
  int64_t at_most;
} mpt_select;

/* The number of output columns for n eigenvalues; -1 if the structure's size is refused. */
MPT_API int64_t mpt_select_columns(const mpt_select *select, int64_t n);

/* What a forward pass keeps of its matrices: the caller's arrays, all of them not NULL, that
 * mpt_eigh_selected writes and mpt_eigh_selected_backward reads. For a matrix that was reduced they
 * are the factors of conj(A) = Q T Q^H as LAPACK's ?hetrd('L') leaves them. For one that was solved
 * whole, `reflectors` are its n eigenvectors, T is zero, and tau ends with 1 instead of 0. */
typedef struct mpt_factors {
  size_t size;                  /* sizeof(mpt_factors) */
  void *reflectors;             /* [count, n, n] */
  void *tau;                    /* [count, n] */
  void *diagonal, *offdiagonal; /* of T, [count, n] real; the last offdiagonal is 0 */
  void *eigenvalues;            /* all of them, [count, n] real, ascending */
} mpt_factors;

/* The eigenpairs of `select`, which is none of MPT_SELECT_ALL; m = mpt_select_columns(select, n).
 * w [count, m] real, v [count, n, m] (NULL: eigenvalues only), multiplet [count, m], numbered from
 * the first pair that is selected. found [count]: how many pairs there are; the rest of the m
 * columns is zero. Only a range may have fewer than m, and for others found may be NULL.
 * MPT_STATUS_TOO_MANY_IN_RANGE where a range has more. factors NULL: not kept. The rest is as for
 * mpt_eigh. */
MPT_API mpt_code mpt_eigh_selected(mpt_type type, int64_t n, int64_t count,
                                   const mpt_options *options, const mpt_select *select,
                                   const void *a, void *w, void *v, int32_t *found,
                                   const mpt_factors *factors, int32_t *multiplet,
                                   mpt_report *report, mpt_error *error);

/* G [count, n, n], from gw [count, m], real, and gv [count, n, m], either of them NULL for zero;
 * select, w and v as the forward pass took and gave them.
 *
 *   G = V [F o K + diag(gw)] V^H + herm(Z V^H),  (A - w_j) z_j = -(I - V V^H) gv_j,  V^H z_j = 0
 *
 * With the forward pass's factors, a may be NULL, and the engine is the one that made them,
 * whatever the options name. Without factors, a is reduced once more. A multiplet that the
 * selection cuts has no derivatives of its vectors (MPT_STATUS_SPLIT_MULTIPLET if gv is not zero
 * there), and of its eigenvalues only those of the mean, MPT_SPREAD_MEAN, for which all its vectors
 * are computed. The rest is as for mpt_eigh_backward. */
MPT_API mpt_code mpt_eigh_selected_backward(mpt_type type, int64_t n, int64_t count,
                                            const mpt_options *options, const mpt_select *select,
                                            const void *a, const void *w, const void *v,
                                            const void *gw, const void *gv, void *g,
                                            const mpt_factors *factors, int32_t *multiplet,
                                            mpt_report *report, mpt_error *error);

#ifdef __cplusplus
}
#endif
#endif
