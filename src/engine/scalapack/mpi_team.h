/* Teams whose ranks communicate by MPI. */
#ifndef MPT_MPI_TEAM_H
#define MPT_MPI_TEAM_H

#include <mpi.h>
#include "engine/team.h"

/* A team of all ranks of the communicator, which the caller still owns; the grid is one row. Not
 * collective. */
mpt_team mpt_mpi_team(MPI_Comm comm);

/* The communicator of a team made by mpt_mpi_team; MPI_COMM_SELF for a team of one. */
MPI_Comm mpt_team_comm(const mpt_team *team);

#endif
