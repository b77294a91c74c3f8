#include "run/counter.h"

enum { NEXT, DONE, SLOTS };
static const int64_t stop = INT64_C(1) << 40; /* every rank may add it */

/* NULL unless all ranks have a window. An MPI without windows returns an error here instead of
 * ending the job. */
static int64_t *allocate(MPI_Comm comm, mpt_counter *c) {
  int64_t *memory = NULL;
  const MPI_Aint bytes = c->rank == 0 ? SLOTS * (MPI_Aint)sizeof *memory : 0;
  MPI_Errhandler before;
  MPI_Comm_get_errhandler(comm, &before);
  MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN);
  int failed = MPI_Win_allocate(bytes, sizeof *memory, MPI_INFO_NULL, comm, &memory, &c->window);
  MPI_Comm_set_errhandler(comm, before);
  MPI_Errhandler_free(&before);
  MPI_Allreduce(MPI_IN_PLACE, &failed, 1, MPI_INT, MPI_MAX, comm);
  if (failed) c->window = MPI_WIN_NULL;
  return failed ? NULL : memory;
}

void mpt_counter_open(MPI_Comm comm, bool briefly, mpt_counter *counter) {
  *counter = (mpt_counter){.window = MPI_WIN_NULL};
  MPI_Comm_rank(comm, &counter->rank);
  MPI_Comm_size(comm, &counter->size);
  if (briefly || counter->size == 1) return;
  int64_t *memory = allocate(comm, counter);
  if (counter->window == MPI_WIN_NULL) {
    mpt_note("MPI has no one-sided communication between these hosts: work is dealt out "
             "beforehand");
    return;
  }
  if (counter->rank == 0) memory[NEXT] = memory[DONE] = 0;
  MPI_Barrier(comm);
  MPI_Win_lock_all(0, counter->window);
  MPI_Win_sync(counter->window);
}

void mpt_counter_close(mpt_counter *counter) {
  if (counter->window == MPI_WIN_NULL) return;
  MPI_Win_unlock_all(counter->window);
  MPI_Win_free(&counter->window);
}

/* The same operation without a window. */
static int64_t own_fetch_and_add(mpt_counter *c, int slot, int64_t add) {
  if (slot == DONE) return (c->own_done += add) * c->size - add;
  if (add == 1) return c->own_stop ? stop : c->rank + c->size * c->turn++;
  c->own_stop |= add == stop;
  return c->own_stop ? stop : 0;
}

static int64_t fetch_and_add(mpt_counter *counter, int slot, int64_t add) {
  int64_t before = 0;
  if (counter->window == MPI_WIN_NULL) return own_fetch_and_add(counter, slot, add);
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
