/* State that ranks share while they work without collectives: which unit is next, how much is done,
 * and whether to stop. It is an MPI-3 window on rank 0.
 *
 * Some MPI libraries have no windows between hosts (Open MPI over TCP as Debian and Ubuntu
 * configure it). Then units are dealt out in turn, longest first, each rank knows only of its own
 * stop, and the sum of done seconds is an estimate from this rank's. */
#ifndef MPT_COUNTER_H
#define MPT_COUNTER_H

#include <mpi.h>
#include "base/base.h"

typedef struct mpt_counter {
  MPI_Win window;         /* MPI_WIN_NULL: units are dealt out in turn, */
  int rank, size;         /* and the members below are used */
  int64_t turn, own_done; /* nanoseconds */
  bool own_stop;
} mpt_counter;

/* `briefly`: the work is too short to be worth a window. Collective. Logs a note when a window is
 * wanted and cannot be had. */
void mpt_counter_open(MPI_Comm comm, bool briefly, mpt_counter *counter);
void mpt_counter_close(mpt_counter *counter);

/* The next unit's number; each is given once. After mpt_counter_stop() it is 2^40 or more. */
int64_t mpt_counter_next(mpt_counter *counter);

/* After this, no rank is given a unit. */
void mpt_counter_stop(mpt_counter *counter);
bool mpt_counter_stopped(mpt_counter *counter);

/* Adds to the sum of done seconds of all ranks, and returns the sum so far. */
double mpt_counter_done(mpt_counter *counter, double seconds);

#endif
