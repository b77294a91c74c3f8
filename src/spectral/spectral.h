/* The mathematics of one problem, pure: no MPI, no HDF5, no LAPACK driver.
 *
 * Matrices are looked at "row by row": the row-major array of a matrix M is, to a column-major
 * library, M^T. For a Hermitian A that is conj(A), whose eigenvectors are the conjugates of A's.
 * Functions here say which of the two they take.
 *
 * dL = Re tr(G^H dA); gw and gV are the derivatives of the real loss L by eigenvalues and
 * eigenvectors; W = V^H gV, K = (W - W^H)/2; a multiplet is a maximal run of sorted eigenvalues
 * whose neighbours are no further apart than the tolerance. */
#ifndef MPT_SPECTRAL_H
#define MPT_SPECTRAL_H

#include <multiplet/function.h>
#include "base.h"

/* Whether two selections are of the same pairs. */
bool mpt_same_select(const mpt_select *a, const mpt_select *b);

/* Numbers the multiplets of `m` ascending eigenvalues from 0 into id[m] by single linkage;
 * `tolerance` is absolute. Returns how many there are. */
int64_t mpt_number_multiplets(int64_t m, const double *w, double tolerance, int32_t *id);

/* The smallest gap between multiplets relative to `norm`, at most 2; 2, the largest that there can
 * be, when there is only one multiplet. */
double mpt_min_gap(int64_t m, const double *w, const int32_t *multiplet, double norm);

/* ||A||_2 of a Hermitian matrix with these ascending eigenvalues. */
double mpt_spectral_norm(int64_t m, const double *w);

/* Everything that the elementwise step needs to know besides the tile. */
typedef struct mpt_rule {
  int64_t m;
  const double *w;          /* [m] ascending */
  const int32_t *multiplet; /* [m] */
  double *gw;               /* [m] eigenvalue cotangents under the spread policy */
  const double *gv_norm;    /* [m] 2-norms of the eigenvector cotangents */
  double noise; /* 8 eps sqrt(n): entries of K below noise (|gv_i| + |gv_j|)/2 are zero */
  double norm;  /* ||A||_2 */
  double epsilon;
  double cotangent_scale; /* powers of two: times the first, no square of a cotangent leaves the */
  double gap_scale;       /* range; times both, none of an entry of X (1 / gap can be large) */
} mpt_rule;

/* What tiles add up to; the sums of several tiles combine by mpt_sums_add. */
typedef struct mpt_sums {
  double gauge; /* largest 2 |K_ij| / (|gv_i| + |gv_j|) inside a multiplet */
  double
      noise2; /* sum of (noise_ij / gap_ij)^2 over kept entries, times the squares of both scales */
  double x2;  /* squared Frobenius norm of X, likewise */
} mpt_sums;
void mpt_sums_add(mpt_sums *sums, const mpt_sums *more);

/* Adds what X = diag(gw) gives. */
void mpt_add_diagonal(const mpt_rule *rule, mpt_sums *sums);

/* Applies the policy to gw inside multiplets (MEAN replaces by the mean, the gauge average; RAW and
 * REFUSE keep) and returns the largest spread inside a multiplet / max|gw|. */
double mpt_apply_spread_policy(int64_t m, const int32_t *multiplet, mpt_spread_policy policy,
                               double *gw);

/* The elementwise step of the backward pass, on one tile (rows row0.., columns col0..) of the
 * column-major m x m matrix T = W^T = gV^T conj(V):
 *
 *   X^T_ab = skew(T)_ab / (w_a - w_b)   between multiplets, 0 where |skew(T)_ab| is below the noise
 *   X^T_ab = 0                          inside a multiplet, a != b
 *   X^T_aa = gw_a
 *
 * so that G = V X V^H. `t` holds T and receives X^T; `th` holds T^H at the same positions.
 * (Magnus 1985; the signal-to-noise rule replaces any threshold on the gap, so that losses on
 * subspaces stay exact at every gap and near-degenerate K ~ gap keeps its meaning.) */
typedef struct mpt_tile {
  int64_t row0, col0, rows, cols;
  void *t;
  int64_t ldt;
  const void *th;
  int64_t ldth;
  void *sum; /* of several terms, see tiles.h; its leading dimension is ldt. NULL: none */
} mpt_tile;
void mpt_backward_tile(mpt_type type, const mpt_rule *rule, const mpt_tile *tile, mpt_sums *sums);

/* The estimated relative error of the gradient from the sums over all tiles: the noise of every
 * kept entry, the turn of the eigenvectors by rounding (eps ||A|| / gap) where the eigenvalue
 * cotangents differ, and the rounding of the products. */
double mpt_gradient_error(const mpt_rule *rule, const mpt_sums *sums);

/* The largest |Re|, |Im| of rows x cols elements, and whether all are finite. Only the part of the
 * row-major slab (rows row0.. of a matrix) that `triangle` names is read. */
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

/* A row-major n x n block with leading dimension lda made exactly Hermitian from the named triangle
 * (FULL: left as it is); the diagonal becomes real. */
void mpt_mirror_block(mpt_type type, int64_t n, void *a, int64_t lda, mpt_triangle from);

/* Conjugates count elements in place; nothing happens to real ones. */
void mpt_conjugate(mpt_type type, int64_t count, void *a);

/* Squared 2-norms of the columns of a row-major rows x cols slab times 2^-exponent, added to
 * norm2[cols]. */
void mpt_add_column_norms(mpt_type type, int64_t rows, int64_t cols, const void *a, int exponent,
                          double *norm2);

/* True when all of count elements are finite. */
bool mpt_all_finite(mpt_type type, int64_t count, const void *a);

/* count real numbers of the type's precision to double. */
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

/* All of it for columns that are whole: column-major rows x cols. */
void mpt_fix_phases(mpt_type type, int64_t rows, int64_t cols, void *u);

#endif
