/* What ranks share while they work without collectives: which unit is next, how much is done, and
 * whether to stop. An MPI-3 window on rank 0.
 *
 * Some MPI libraries give no window between hosts (Open MPI as Debian and Ubuntu configure it, over
 * TCP). Then units are dealt out in turn, longest first, each rank knows of its own stop only, and
 * the sum of done seconds is an estimate from this rank's. */
#ifndef MPT_COUNTER_H
#define MPT_COUNTER_H

#include <mpi.h>
#include "base/base.h"

typedef struct mpt_counter {
  MPI_Win window;         /* MPI_WIN_NULL: dealt out in turn */
  int rank, size;         /* and then also */
  int64_t turn, own_done; /* nanoseconds */
  bool own_stop;
} mpt_counter;

/* `briefly`: what there is to do is not worth a window. Collective. Notes in the log when there
 * should have been one. */
void mpt_counter_open(MPI_Comm comm, bool briefly, mpt_counter *counter);
void mpt_counter_close(mpt_counter *counter);

/* The next unit's number, each given once; from mpt_counter_stop() on, 2^40 or more. */
int64_t mpt_counter_next(mpt_counter *counter);

/* No rank is given a unit from now on. */
void mpt_counter_stop(mpt_counter *counter);
bool mpt_counter_stopped(mpt_counter *counter);

/* Adds to the sum of done seconds of all ranks, and returns the sum so far. */
double mpt_counter_done(mpt_counter *counter, double seconds);

#endif
