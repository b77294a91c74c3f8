/* The Fermi function in the log domain, and the chemical potential of a fixed electron number. */
#ifndef MPT_FERMI_H
#define MPT_FERMI_H

#include "spectral/spectral.h"

/* The chemical potential at which `electrons`, between 0 and m, states are occupied. */
double mpt_chemical_potential(int64_t m, const double *w, double beta, double electrons);

/* log of 1 / (1 + exp(x)). */
double mpt_log_fermi(double x);

/* f'(x_i) / sum f' into weight[m], in the log domain, so that they exist where every f' underflows.
 */
void mpt_fermi_weights(int64_t m, const double *x, double *weight);

#endif
