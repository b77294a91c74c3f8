#include "counter.h"

enum { NEXT, DONE, SLOTS };
static const int64_t stop = INT64_C(1) << 40; /* every rank may add it */

mpt_code mpt_counter_open(MPI_Comm comm, mpt_counter *counter, mpt_error *error) {
  int64_t *memory = NULL;
  int rank;
  MPI_Comm_rank(comm, &rank);
  MPI_Aint bytes = rank == 0 ? SLOTS * (MPI_Aint)sizeof *memory : 0;
  if (MPI_Win_allocate(bytes, sizeof *memory, MPI_INFO_NULL, comm, &memory, &counter->window))
    return mpt_fail(error, MPT_NO_RESOURCE,
                    "cannot set up the schedule: MPI gave no window (check the MPI installation)");
  if (rank == 0) memory[NEXT] = memory[DONE] = 0;
  MPI_Barrier(comm);
  MPI_Win_lock_all(0, counter->window);
  MPI_Win_sync(counter->window);
  return MPT_DONE;
}

void mpt_counter_close(mpt_counter *counter) {
  MPI_Win_unlock_all(counter->window);
  MPI_Win_free(&counter->window);
}

static int64_t fetch_and_add(mpt_counter *counter, int slot, int64_t add) {
  int64_t before = 0;
  MPI_Fetch_and_op(&add, &before, MPI_INT64_T, 0, slot, add ? MPI_SUM : MPI_NO_OP, counter->window);
  MPI_Win_flush(0, counter->window);
  return before;
}

int64_t mpt_counter_next(mpt_counter *counter) {
  return fetch_and_add(counter, NEXT, 1);
}

void mpt_counter_stop(mpt_counter *counter) {
  if (!mpt_counter_stopped(counter)) fetch_and_add(counter, NEXT, stop);
}

bool mpt_counter_stopped(mpt_counter *counter) {
  return fetch_and_add(counter, NEXT, 0) >= stop;
}

double mpt_counter_done(mpt_counter *counter, double seconds) {
  return (double)fetch_and_add(counter, DONE, (int64_t)(seconds * 1e9)) * 1e-9 + seconds;
}
