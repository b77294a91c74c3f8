/* The mathematics of one problem as pure functions: no MPI, no HDF5, no LAPACK driver.
 *
 * A column-major library sees the row-major array of a matrix M as M^T. For a Hermitian A that is
 * conj(A), whose eigenvectors are the conjugates of A's. Each function here says which of the two
 * it takes.
 *
 * dL = Re tr(G^H dA). gw and gV are the derivatives of the real loss L with respect to eigenvalues
 * and eigenvectors; W = V^H gV and K = (W - W^H)/2. A multiplet is a run of sorted eigenvalues that
 * is no wider than the tolerance, by default the width that rounding gives to equal eigenvalues. */
#ifndef MPT_SPECTRAL_H
#define MPT_SPECTRAL_H

#include <multiplet/function.h>
#include "spectral/backward.h"

/* The largest number of eigenpairs, out of n, that a selection can have. */
int64_t mpt_selected_columns(const mpt_select *select, int64_t n);

/* Whether two selections contain the same pairs. */
bool mpt_same_select(const mpt_select *a, const mpt_select *b);

/* Numbers the multiplets of `m` ascending eigenvalues from 0 into id[m]. None is wider than
 * `tolerance`, which is absolute. Returns the number of multiplets. */
int64_t mpt_number_multiplets(int64_t m, const double *w, double tolerance, int32_t *id);

/* The smallest gap between multiplets relative to `norm`, at most 2. With a single multiplet it is
 * 2, the largest possible value. */
double mpt_min_gap(int64_t m, const double *w, const int32_t *multiplet, double norm);

/* Whether eigenvalues first to stop - 1 are whole multiplets. */
bool mpt_whole_multiplets(int64_t m, const int32_t *multiplet, int64_t first, int64_t stop);

/* The smaller of the gaps at the ends of an index range; infinite when the range is the whole
 * spectrum. */
double mpt_edge_gap(int64_t m, const double *w, const int64_t index[2]);

/* ||A||_2 of a Hermitian matrix with these ascending eigenvalues. */
double mpt_spectral_norm(int64_t m, const double *w);

/* How wide the computed eigenvalues of a multiplet may be, relative to ||A||_2. Measured: equal
 * ones come out up to 4.3 sqrt(n) eps apart. */
double mpt_resolution(mpt_type type, int64_t n);

/* Replaces gw inside multiplets by its mean, the gauge average, unless the policy keeps the values
 * (RAW, REFUSE). Returns the largest spread inside a multiplet / max|gw|. */
double mpt_apply_spread_policy(int64_t m, const int32_t *multiplet, mpt_spread_policy policy,
                               double *gw);

/* The largest |Re| or |Im| of rows x cols elements, and whether all are finite. Only the part of
 * the row-major slab (rows row0.. of a matrix) that `triangle` names is read. */
typedef struct mpt_scan {
  double largest;
  bool finite;
} mpt_scan;
mpt_scan mpt_scan_slab(mpt_type type, int64_t row0, int64_t rows, int64_t cols, const void *a,
                       mpt_triangle triangle);

/* Two blocks that face each other across the diagonal, row-major: `a` is rows x cols with leading
 * dimension lda, `b` is cols x rows with ldb. */
typedef struct mpt_facing {
  int64_t rows, cols;
  void *a;
  int64_t lda;
  const void *b;
  int64_t ldb;
} mpt_facing;

/* The largest |a_ij - conj(b_ji)|. */
double mpt_hermitian_defect(mpt_type type, const mpt_facing *blocks);

/* a = b^H. The blocks must not overlap. */
void mpt_conjugate_transpose(mpt_type type, const mpt_facing *blocks);

/* a = (a + b^H) / 2. */
void mpt_average(mpt_type type, const mpt_facing *blocks);

/* Makes a row-major n x n block with leading dimension lda exactly Hermitian from the named
 * triangle (FULL: left as it is). The diagonal becomes real. */
void mpt_mirror_block(mpt_type type, int64_t n, void *a, int64_t lda, mpt_triangle from);

/* Conjugates count elements in place; does nothing for real types. */
void mpt_conjugate(mpt_type type, int64_t count, void *a);

/* Adds the squared 2-norms of the columns of a row-major rows x cols slab, times 2^-exponent, to
 * norm2[cols]. */
void mpt_add_column_norms(mpt_type type, int64_t rows, int64_t cols, const void *a, int exponent,
                          double *norm2);

/* True when all of count elements are finite. */
bool mpt_all_finite(mpt_type type, int64_t count, const void *a);

/* Converts count real numbers of the type's precision to double. */
void mpt_reals_to_double(mpt_type type, int64_t count, const void *reals, double *out);

/* The phase convention: each eigenvector's largest component, the first of equals within
 * mpt_equal_components() of the largest, is real and positive. A column is found to have the
 * largest |u_i|^2, then the first component of at least `threshold2`, and is turned by
 * conj(pivot)/|pivot|; `at` (-1: elsewhere) is where the pivot stands and becomes exactly real. */
double mpt_equal_components(mpt_type type, int64_t n);
double mpt_largest_component2(mpt_type type, int64_t rows, const void *u);
int64_t mpt_first_component(mpt_type type, int64_t rows, const void *u, double threshold2);
void mpt_turn_column(mpt_type type, int64_t rows, void *u, const double pivot[2], int64_t at);

/* Re and Im of element i. */
void mpt_get_element(mpt_type type, const void *u, int64_t i, double out[2]);

/* Does all of this for whole columns: column-major rows x cols. */
void mpt_fix_phases(mpt_type type, int64_t rows, int64_t cols, void *u);

/* a + b; *low receives the rounding error. */
static inline double mpt_two_sum(double a, double b, double *low) {
  const double sum = a + b, part = sum - a;
  *low = (a - (sum - part)) + (b - part);
  return sum;
}

/* A power of two that takes a number near 1; the second is 1 for numbers that are not near the ends
 * of the exponent range. */
double mpt_scale_of(double largest);
double mpt_extreme_scale(mpt_type type, double largest);

#endif
