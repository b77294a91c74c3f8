/* Teams whose ranks reach one another by MPI. */
#ifndef MPT_MPI_TEAM_H
#define MPT_MPI_TEAM_H

#include <mpi.h>
#include "engine/team.h"

/* All ranks of the communicator, which stays the caller's; the grid is one row. Not collective. */
mpt_team mpt_mpi_team(MPI_Comm comm);

/* That of a team which was made so; MPI_COMM_SELF of a team of one. */
MPI_Comm mpt_team_comm(const mpt_team *team);

#endif
