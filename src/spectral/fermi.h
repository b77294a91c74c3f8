/* The Fermi function in the log domain, and the chemical potential for a fixed electron number. */
#ifndef MPT_FERMI_H
#define MPT_FERMI_H

#include "spectral/spectral.h"

/* The chemical potential at which `electrons` states are occupied, between 0 and m. */
double mpt_chemical_potential(int64_t m, const double *w, double beta, double electrons);

/* log of 1 / (1 + exp(x)). */
double mpt_log_fermi(double x);

/* Puts f'(x_i) / sum f' into weight[m]; computed in the log domain, so that the weights exist even
 * where every f' underflows. */
void mpt_fermi_weights(int64_t m, const double *x, double *weight);

#endif
