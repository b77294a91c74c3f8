/* The service: jobs that arrive as files in a spool, one after the other, on all ranks. */
#ifndef MPT_SERVE_H
#define MPT_SERVE_H

#include <mpi.h>
#include "base/base.h"

/* Serves until the spool's file `stop` or a SIGTERM, then finishes the current request. A second
 * signal aborts that (MPT_STOPPED); a later service resumes it.
 * Collective. */
mpt_code mpt_serve(MPI_Comm comm, const char *spool, bool shared, mpt_error *error);

#endif
