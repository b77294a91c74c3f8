/* Matrix functions of one spectrum: values, divided differences, and the elementwise step of their
 * derivatives, forward and backward. What a kind of function is stands in kinds.c.
 *
 * With C = V^H M V (M Hermitian: a cotangent, or a direction), X_ij = f[w_i, w_j] C_ij gives the
 * gradient, or the derivative, as V X V^H. The divided difference f[x, y] = (f(x) - f(y)) / (x -
 * y), f'(x) for equal arguments, is never computed as that quotient where it cancels: for every
 * kind there is a form of it that is right to a few units in the last place for all pairs (Higham,
 * Functions of Matrices, 2008, section 3.2, has the theory). */
#ifndef MPT_FUNCTION_H
#define MPT_FUNCTION_H

#include <multiplet/function.h>
#include "spectral/spectral.h"

/* A function on a spectrum. Arrays [m] lie in the memory given to mpt_function_start(). */
typedef struct mpt_spectral_function {
  const mpt_function *function;
  int64_t m;
  const double *w;
  double factor;   /* df/dw = factor * df/dx of the arguments x: the scale, or beta */
  double mu;       /* fermi: the one in use */
  double *x, *low; /* arguments scale w or beta (w - mu), x + low, to twice the precision */
  double *value;   /* f(w_i) */
  double *rest;    /* what a kind keeps besides; fermi: 1 - f(w_i), never by subtraction */
  double *slope;   /* f'(w_i) */
  double *weight;  /* fermi at fixed electron number: f'_i / sum f', in the log domain; else NULL */
} mpt_spectral_function;

enum { MPT_FUNCTION_MEMORY = 6 }; /* doubles an eigenvalue */

/* MPT_STATUS_OK; MPT_STATUS_FUNCTION_UNDEFINED where f does not exist or overflows;
 * MPT_STATUS_SPLIT_MULTIPLET for a projector whose index range cuts a multiplet. w ascends. */
mpt_status mpt_function_start(const mpt_function *function, int64_t m, const double *w,
                              const int32_t *multiplet, double *memory, mpt_spectral_function *out);

/* f[w_i, w_j]. */
double mpt_divided_difference(const mpt_spectral_function *f, int64_t i, int64_t j);

/* How far f[w_i, w_j] moves, at most, when the spectrum does by `shift`, per eigenvalue, into
 * out[m]: what rounding does to a gradient. */
void mpt_function_turns(const mpt_spectral_function *f, double shift, double *out);

/* The distance in the spectrum over which f changes by about itself. */
double mpt_function_reach(const mpt_spectral_function *f);

/* Whether each parameter of the kind, of a caller's function of an n x n matrix, is in its domain.
 */
bool mpt_function_fits(const mpt_function *function, int64_t n);

/* The index range of a function of places in the spectrum, a projector; NULL for functions of
 * eigenvalues. */
const int64_t *mpt_function_range(const mpt_function *function);

/* A parameter's value, and whether its domain has x (of an unknown n); not for MPT_DOMAIN_INDEX. */
double mpt_parameter_number(const mpt_function *function, const mpt_parameter *parameter);
bool mpt_parameter_takes(const mpt_parameter *parameter, double x);

#endif
