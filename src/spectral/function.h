/* Matrix functions of one spectrum: values, divided differences, and the elementwise step of their
 * derivatives, forward and backward. The kinds of functions are defined in kinds.c.
 *
 * With C = V^H M V (M Hermitian: a cotangent, or a direction), X_ij = f[w_i, w_j] C_ij gives the
 * gradient, or the derivative, as V X V^H. The divided difference is f[x, y] = (f(x) - f(y)) / (x -
 * y), or f'(x) for equal arguments. It is never computed as that quotient where the quotient
 * cancels: every kind has an expression that is right to a few units in the last place for all
 * pairs (theory: Higham, Functions of Matrices, 2008, section 3.2).
 *
 * Functions that are defined from zero on, with f(0) = 0, take eigenvalues within rounding of zero
 * for zero, on either side: value and derivatives are those of the matrix in which they are zero.
 * There f[0, y] = f(y) / y is exact. f'(0) may be infinite: then f[0, 0] is given as 0, and the
 * derivative exists only for an M without a part in the null space. */
#ifndef MPT_FUNCTION_H
#define MPT_FUNCTION_H

#include <multiplet/function.h>
#include "spectral/spectral.h"

/* A function on a spectrum. The arrays [m] are in the memory given to mpt_function_start(). */
typedef struct mpt_spectral_function {
  const mpt_function *function;
  int64_t m;
  const double *w;
  double factor, factor_low; /* df/dw = factor * df/dx: the scale, beta or 1/sigma, to twice the
                                precision where it is a quotient */
  double mu, mu_low;         /* occupations: the chemical potential in use, mu + mu_low */
  double *x, *low; /* arguments scale w or (w - mu) / width as x + low, to twice the precision */
  double *value;   /* f(w_i) */
  double *rest;    /* further values of a kind; occupations: 1 - f(w_i), not by subtraction */
  double *slope;   /* f'(w_i) */
  double *weight;  /* occupations at fixed electron number: the response of mu to each eigenvalue,
                      f'_i / sum f', also where these underflow; else NULL */
  int64_t null[2]; /* eigenvalues null[0] to null[1] - 1 count as zero */
  bool steep;      /* where they do, f' is infinite */
} mpt_spectral_function;

enum { MPT_FUNCTION_MEMORY = 6 }; /* doubles per eigenvalue */

/* MPT_STATUS_OK; MPT_STATUS_FUNCTION_UNDEFINED where f does not exist or overflows;
 * MPT_STATUS_SPLIT_MULTIPLET for a projector whose index range cuts a multiplet. w ascends.
 * `rounding`: the largest |w_i| that may count as zero, mpt_resolution() ||A||. */
mpt_status mpt_function_start(const mpt_function *function, int64_t m, const double *w,
                              const int32_t *multiplet, double rounding, double *memory,
                              mpt_spectral_function *out);

/* f[w_i, w_j]; 0 where both count as zero. */
double mpt_divided_difference(const mpt_spectral_function *f, int64_t i, int64_t j);

/* A bound on how much f[w_i, w_j] changes, per eigenvalue, when the spectrum moves by `shift`, into
 * out[m]: the effect of rounding on a gradient. */
void mpt_function_turns(const mpt_spectral_function *f, double shift, double *out);

/* Whether eigenvalue i counts as zero. */
static inline bool mpt_is_null(const mpt_spectral_function *f, int64_t i) {
  return i >= f->null[0] && i < f->null[1];
}

/* The distance in the spectrum over which f changes by about itself. */
double mpt_function_reach(const mpt_spectral_function *f);

/* Whether each parameter of a caller's function of an n x n matrix is in the domain that its kind
 * requires. */
bool mpt_function_fits(const mpt_function *function, int64_t n);

/* The index range of a projector, which is a function of positions in the spectrum; NULL for
 * functions of eigenvalues. */
const int64_t *mpt_function_range(const mpt_function *function);

/* A parameter's value; and whether its domain contains x when n is unknown; not for
 * MPT_DOMAIN_INDEX. */
double mpt_parameter_number(const mpt_function *function, const mpt_parameter *parameter);
bool mpt_parameter_takes(const mpt_parameter *parameter, double x);

#endif
