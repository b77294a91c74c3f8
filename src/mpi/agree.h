/* Agreement between ranks: between two collectives no rank leaves alone. */
#ifndef MPT_AGREE_H
#define MPT_AGREE_H

#include <mpi.h>
#include "base/base.h"

/* All ranks learn the worst code, which is the largest, and the text of the lowest rank that has
 * this code. Collective. */
mpt_code mpt_agree(MPI_Comm comm, mpt_code code, mpt_error *error);

/* For use between two collectives: a local failure becomes a failure on all ranks. */
#define AGREE(comm, expression)                                                                    \
  do {                                                                                             \
    if ((code = mpt_agree((comm), (expression), error)) != MPT_DONE) goto done;                    \
  } while (0)

/* Sends rank 0's string to every rank; *text is allocated on the others. Collective. */
mpt_code mpt_share_text(MPI_Comm comm, char **text, mpt_error *error);

#endif
