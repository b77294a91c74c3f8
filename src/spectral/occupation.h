/* Occupations of states, and the chemical potential mu of a fixed number of electrons.
 *
 * With x = (w - mu) / width (width = 1/beta, or sigma) they are
 *
 *   fermi        f = 1 / (exp(x) + 1)
 *   the others   f = erfc(u) / 2 + q(u) exp(-u^2),  df/dx = -p(u) exp(-u^2),  u = x + shift
 *
 *   gaussian             q = 0, p = 1/sqrt(pi)
 *   methfessel_paxton    q = sum_1^N a_n H_{2n-1}, p = sum_0^N a_n H_{2n},
 *                        a_n = (-1)^n / (n! 4^n sqrt(pi))              (PRB 40, 3616, 1989)
 *   cold                 shift = 1/sqrt(2), q = 1/sqrt(2 pi), p = (1 + sqrt(2) u) / sqrt(pi)
 *                                          (Marzari and Vanderbilt, PRL 82, 3296, 1999)
 *
 * Arguments come to twice the precision, as x + low. Numbers that underflow, such as the electrons
 * above a gap, are kept as a mantissa and an exponent, so that mu and its response exist there. */
#ifndef MPT_OCCUPATION_H
#define MPT_OCCUPATION_H

#include "spectral/spectral.h"

/* Whether a kind is an occupation. */
bool mpt_is_occupation(int kind);

/* 1 / width, as the number returned + *low. */
double mpt_occupation_factor(const mpt_function *f, double *low);

/* f(x + low); *hole receives 1 - f, never by subtraction from a number near 1. */
double mpt_occupied(const mpt_function *f, double x, double low, double *hole);

/* f[x, y], x >= y, of all but fermi; d = x - y; and what mpt_occupied gave at both. */
typedef struct mpt_occupation_pair {
  double x, x_low, y, y_low, d;
  double occupied[2], hole[2];
} mpt_occupation_pair;
double mpt_smearing_difference(const mpt_function *f, const mpt_occupation_pair *pair);

/* The series of f around x + low, without its first two terms: f^(k + 2) length^k / (k + 2)! for k
 * < count, count <= 16; not for fermi. */
void mpt_smearing_series(const mpt_function *f, double x, double low, double length, int count,
                         double *term);

/* Levels w[m], ascending, each as often as `weight` says (NULL: once). */
typedef struct mpt_levels {
  int64_t m;
  const double *w, *weight;
} mpt_levels;

/* The chemical potential at which f->electrons states are occupied (above 0, below the sum of the
 * weights), as the number returned + *low. fermi and gaussian have one. methfessel_paxton and cold,
 * which do not fall everywhere, may have several: it is the one nearest to gaussian's for the same
 * sigma (of two equally near, the lower), as far as a search from there in steps of sigma / 16 sees
 * them. Weights that are not whole numbers have rounding errors: so many electrons as fill whole
 * levels to 8 eps of their number are taken to fill them. */
double mpt_chemical_potential(const mpt_function *f, const mpt_levels *levels, double *low);

/* Whether f->electrons are fewer than the levels hold, *hold. */
bool mpt_electrons_fit(const mpt_function *f, const mpt_levels *levels, double *hold);

/* Puts f into occupied[m] and df/dw at fixed mu into slope[m]; either may be NULL. The levels need
 * not ascend. */
void mpt_occupy_levels(const mpt_function *f, const mpt_levels *levels, double mu, double mu_low,
                       double *occupied, double *slope);

/* Puts the response of mu to each level, weight_i f'_i / sum weight f', into response[m]: their sum
 * is 1, also where every f' underflows. The levels need not ascend. */
void mpt_occupation_response(const mpt_function *f, const mpt_levels *levels, double mu,
                             double mu_low, double *response);

#endif
