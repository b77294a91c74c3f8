/* The basis inside multiplets: turned by a pseudo-random unitary (orthogonal for real matrices), so
 * that no loss can hide that it depends on it. A solver's own basis often lies on axes, where such
 * a loss may be stationary and its dependence invisible; in a basis in general position it shows
 * with probability 1. */
#ifndef MPT_TURN_H
#define MPT_TURN_H

#include "engine/engine.h"

/* Turns the columns of each multiplet of `columns` vectors (multiplet[columns], eigenvalues
 * w[columns]), the first of which belongs to eigenvalue `first` of the matrix, and fixes their
 * phases again. Only what rounding cannot tell apart is turned, however wide a tolerance makes
 * multiplets. `v`: this rank's slab, row-major, of `columns` elements a row. The unitary depends
 * only on options->seed, the first eigenvalue that is turned and how many are. Up to
 * 64 columns, and under MPT_SPREAD_UNBIASED always, it is Haar-distributed (Stewart 1980: a product
 * of Householder reflections of Gaussian vectors); beyond, a product of three of these, which costs
 * less and hides nothing either. MPT_STATUS_INTERNAL without memory, else MPT_STATUS_OK. Collective
 * over the team, and agreed. */
mpt_status mpt_turn_multiplets(const mpt_team *team, const mpt_options *options,
                               const mpt_batch *batch, int64_t first, int64_t columns,
                               const double *w, double norm, const int32_t *multiplet, void *v);

#endif
