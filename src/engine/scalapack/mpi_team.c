#include "engine/scalapack/mpi_team.h"

#include "mpi/agree.h"

/* MPI_Comm is an integer in MPICH and a pointer in Open MPI. */
static MPI_Comm comm_of(intptr_t comm) {
  return (MPI_Comm)comm;
}

static void reduce(intptr_t comm, mpt_reduction how, mpt_number type, int64_t count, void *x) {
  const MPI_Op operations[] = {
      [MPT_REDUCE_SUM] = MPI_SUM, [MPT_REDUCE_MAX] = MPI_MAX, [MPT_REDUCE_MIN] = MPI_MIN};
  const MPI_Datatype types[] = {[MPT_INT32] = MPI_INT32_T,
                                [MPT_INT64] = MPI_INT64_T,
                                [MPT_SINGLE] = MPI_FLOAT,
                                [MPT_DOUBLE] = MPI_DOUBLE};
  MPI_Allreduce(MPI_IN_PLACE, x, (int)count, types[type], operations[how], comm_of(comm));
}

static void broadcast(intptr_t comm, int root, int64_t bytes, void *x) {
  MPI_Bcast(x, (int)bytes, MPI_BYTE, root, comm_of(comm));
}

static MPI_Datatype item_of(int64_t bytes) {
  MPI_Datatype item;
  MPI_Type_contiguous((int)bytes, MPI_BYTE, &item);
  MPI_Type_commit(&item);
  return item;
}

static int rank_of(intptr_t comm) {
  int rank;
  MPI_Comm_rank(comm_of(comm), &rank);
  return rank;
}

static void gather(intptr_t comm, int64_t bytes, const int *counts, const int *starts,
                   const void *mine, void *whole) {
  MPI_Datatype item = item_of(bytes);
  MPI_Gatherv(mine, counts[rank_of(comm)], item, whole, counts, starts, item, 0, comm_of(comm));
  MPI_Type_free(&item);
}

static void scatter(intptr_t comm, int64_t bytes, const int *counts, const int *starts,
                    const void *whole, void *mine) {
  MPI_Datatype item = item_of(bytes);
  MPI_Scatterv(whole, counts, starts, item, mine, counts[rank_of(comm)], item, 0, comm_of(comm));
  MPI_Type_free(&item);
}

static void exchange(intptr_t comm, int to, const mpt_rectangle *out, int from, int64_t count,
                     void *in) {
  MPI_Datatype block, item = item_of((int64_t)out->element);
  MPI_Type_vector((int)out->rows, (int)out->columns, (int)out->stride, item, &block);
  MPI_Type_commit(&block);
  MPI_Sendrecv(out->first, 1, block, to, 0, in, (int)count, item, from, 0, comm_of(comm),
               MPI_STATUS_IGNORE);
  MPI_Type_free(&block);
  MPI_Type_free(&item);
}

static mpt_code agree(intptr_t comm, mpt_code code, mpt_error *error) {
  return mpt_agree(comm_of(comm), code, error);
}

static const mpt_collectives by_mpi = {reduce, broadcast, gather, scatter, exchange, agree};

mpt_team mpt_mpi_team(MPI_Comm comm) {
  mpt_team team = {.calls = &by_mpi, .comm = (intptr_t)comm};
  MPI_Comm_rank(comm, &team.rank);
  MPI_Comm_size(comm, &team.size);
  team.grid[0] = 1;
  team.grid[1] = team.size;
  return team.size > 1 ? team : mpt_team_of_one();
}

MPI_Comm mpt_team_comm(const mpt_team *team) {
  return team->calls ? comm_of(team->comm) : MPI_COMM_SELF;
}
