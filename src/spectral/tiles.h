/* Elementwise steps of matrix functions, frames and directions on tiles (spectral.h) of transposed
 * matrices in the basis of eigenvectors. `t` holds M^T for M = V^H (cotangent or direction) V and
 * `th` its conjugate transpose; results go into `sum`. */
#ifndef MPT_TILES_H
#define MPT_TILES_H

#include "spectral/backward.h"
#include "spectral/frame.h"
#include "spectral/function.h"

/* sum (+)= D o herm(M), with shift[i] (NULL: 0) added on the diagonal. `turns` and `level` give the
 * noise of each entry, max(turn_i, turn_j) |M_ij| and level |D_ij|; the squares of both, times
 * unit^2, are added to noise2. Where the function is steep, null2 receives what M has in the null
 * space, which is left out, all2 all of M, and turned2 what `rounding`, MPT_TURN eps ||A||, may
 * turn into the null space: squares in units of `largest`. */
typedef struct mpt_function_step {
  const mpt_spectral_function *function;
  const double *shift, *turns;
  double level, unit, rounding;
  double largest;                      /* of |M_ij|, above 0 */
  bool first;                          /* sum is set rather than added to */
  double noise2, null2, all2, turned2; /* out */
} mpt_function_step;
void mpt_function_tile(mpt_type type, mpt_function_step *step, const mpt_tile *tile);

/* sum += herm(y r^H)_ij / (w_i - w_j) between inside and outside. */
typedef struct mpt_frame_step {
  const mpt_spectral_frame *frame;
  const double *w;
  double epsilon, unit;
  double edge; /* relative rounding error of the frame: 2 eps (1 + condition) ||A|| / gap at the
                  edges of its range (measured) */
} mpt_frame_step;
void mpt_frame_tile(mpt_type type, const mpt_frame_step *step, const mpt_tile *tile,
                    double *noise2);

/* sum = M_ij / (w_j - w_i) between multiplets, 0 inside them and where |M_ij| is below its noise,
 * as in the backward pass. V times it is the derivative of the eigenvectors in the parallel gauge.
 */
typedef struct mpt_tangent_step {
  const double *w;
  const int32_t *multiplet;
  const double *diagonal; /* [n], the diagonal of M */
  double norm, epsilon;   /* ||A||_2 */
  double level, unit;     /* noise of M_ij; a power of two that scales |dA| to near 1 */
  double split;           /* out: the largest |M_ij|, i != j, inside a multiplet */
  double noise2, x2;      /* out: sums of squared errors, sizes, times (||A|| unit)^2, unit^2 */
  double *turned, *size;  /* [n] out, added to, by column: theta^2 and |entry|^2 */
} mpt_tangent_step;
void mpt_tangent_tile(mpt_type type, mpt_tangent_step *step, const mpt_tile *tile);

/* sum = t, as mpt_backward_tile left it; or sum = diag(d). */
void mpt_start_sum(mpt_type type, const mpt_tile *tile);
void mpt_start_diagonal(mpt_type type, const mpt_tile *tile, const double *d);

/* Adds the squared Frobenius norm of sum, times unit^2, to *norm2. */
void mpt_tile_norm(mpt_type type, const mpt_tile *tile, double unit, double *norm2);

/* r[n, columns] += V^H R for `rows` rows of row-major V and R; out = V_c c for `rows` rows of V,
 * where c is [stop - first, columns]. */
void mpt_rows_into_basis(mpt_type type, int64_t rows, const mpt_spectral_frame *frame,
                         const void *v, const void *reference, mpt_wide *r);
void mpt_rows_out_of_basis(mpt_type type, int64_t rows, const mpt_spectral_frame *frame,
                           const void *v, const mpt_wide *c, void *out);

/* The inverse of mpt_reals_to_double. */
void mpt_doubles_to_real(mpt_type type, int64_t count, const double *in, void *reals);

/* Copies the real diagonal elements of t that the tile holds into diagonal[n]. */
void mpt_tile_diagonal(mpt_type type, const mpt_tile *tile, double *diagonal);

#endif
