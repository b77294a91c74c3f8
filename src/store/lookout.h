/* Another process, the lookout, opens files before this one does: libhdf5 crashes on some damaged
 * files and hangs on others. A process that has called MPI_Init must not fork, so the lookout is
 * forked before that and waits. It uses a child of its own to look at files; the child is kept as
 * long as it survives. The cost is a message in each direction, and opening the file twice.
 *
 * mpt_lookout_start is declared in multiplet/job.h. */
#ifndef MPT_LOOKOUT_H
#define MPT_LOOKOUT_H

#include "base/base.h"

/* MPT_BAD_INPUT with the file's name when looking at it crashed or took longer than 60 s (or
 * MULTIPLET_LOOK_SECONDS). All other errors are left to those who open the file. Starts the lookout
 * if there is none and MPI has not been initialized; if MPI has been initialized and there is no
 * lookout, does nothing. `name` may be NULL or missing. Not collective: rank 0 looks for all. */
mpt_code mpt_look_at(const char *name, const char *what, mpt_error *error);

/* What the child does with a file: it opens the file, visits all objects in it and reads shapes,
 * attributes and chunk indexes, but no elements. */
void mpt_visit_file(const char *name);

#endif
