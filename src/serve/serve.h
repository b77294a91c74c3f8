/* The service: jobs that arrive as files in a spool, one after the other, on all ranks. */
#ifndef MPT_SERVE_H
#define MPT_SERVE_H

#include <mpi.h>
#include "base/base.h"

/* Serves until the spool's file `stop` or a SIGTERM, which let the request in hand be finished; a
 * second signal stops that, too, and a service started later goes on with it (MPT_STOPPED).
 * Collective. */
mpt_code mpt_serve(MPI_Comm comm, const char *spool, bool shared, mpt_error *error);

#endif
