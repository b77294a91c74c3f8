#include "mpi/agree.h"

#include <stdlib.h>
#include <string.h>

mpt_code mpt_agree(MPI_Comm comm, mpt_code code, mpt_error *error) {
  struct {
    int code, rank;
  } mine = {(int)code, 0}, worst;
  MPI_Comm_rank(comm, &mine.rank);
  MPI_Allreduce(&mine, &worst, 1, MPI_2INT, MPI_MAXLOC, comm);
  if (worst.code == MPT_DONE) return MPT_DONE;
  mpt_error text = {.code = (mpt_code)worst.code};
  if (mine.rank == worst.rank && error) text = *error;
  MPI_Bcast(text.text, (int)sizeof text.text, MPI_CHAR, worst.rank, comm);
  if (error) *error = text;
  return (mpt_code)worst.code;
}

mpt_code mpt_share_text(MPI_Comm comm, char **text, mpt_error *error) {
  mpt_code code = MPT_DONE;
  int rank, length = 0;
  MPI_Comm_rank(comm, &rank);
  if (rank == 0) length = (int)strlen(*text) + 1;
  MPI_Bcast(&length, 1, MPI_INT, 0, comm);
  if (rank != 0) code = mpt_allocate(text, length, 1, "a text", error);
  AGREE(comm, code);
  MPI_Bcast(*text, length, MPI_CHAR, 0, comm);
done:
  return code;
}
