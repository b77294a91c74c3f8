/* The basis inside multiplets. It is turned by a pseudo-random unitary (orthogonal for real
 * matrices), so that no loss can hide that it depends on the basis. A solver's own basis often lies
 * on axes, where such a loss may be stationary and its dependence invisible. In a basis in general
 * position the dependence shows with probability 1. */
#ifndef MPT_TURN_H
#define MPT_TURN_H

#include "engine/engine.h"

/* Turns the columns of each multiplet of `columns` vectors (multiplet[columns], eigenvalues
 * w[columns]), the first of which belongs to eigenvalue `first` of the matrix, and fixes their
 * phases again. Only columns whose eigenvalues rounding cannot tell apart are turned, however wide
 * a tolerance makes multiplets. `v`: this rank's slab, row-major, of `columns` elements a row.
 *
 * The unitary depends only on options->seed, on the first eigenvalue that is turned and on how many
 * are. Up to 64 columns, and under MPT_SPREAD_UNBIASED always, it is Haar-distributed (Stewart
 * 1980: a product of Householder reflections of Gaussian vectors). Beyond that it is a product of
 * three of these, which costs less and hides nothing either.
 *
 * MPT_STATUS_INTERNAL if memory runs out, else MPT_STATUS_OK. Collective over the team, and agreed.
 */
mpt_status mpt_turn_multiplets(const mpt_team *team, const mpt_options *options,
                               const mpt_batch *batch, int64_t first, int64_t columns,
                               const double *w, double norm, const int32_t *multiplet, void *v);

#endif
