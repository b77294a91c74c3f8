/* The service: all ranks serve jobs that arrive as files in a spool, one after the other. */
#ifndef MPT_SERVE_H
#define MPT_SERVE_H

#include <mpi.h>
#include "base/base.h"

/* Serves until the spool's file `stop` appears or SIGTERM comes, and finishes the current request.
 * A second signal aborts that request (MPT_STOPPED); a later service resumes it. Collective. */
mpt_code mpt_serve(MPI_Comm comm, const char *spool, bool shared, mpt_error *error);

#endif
