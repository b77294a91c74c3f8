/* Another process opens files before this one does: libhdf5 crashes on some damaged files and loops
 * on others. A process that has called MPI_Init must not
 * fork, so the other one is forked before that and waits; it lets a child of its own do the
 * looking, which stays as long as it lives. What it costs: a message there and back, and opening
 * the file twice.
 *
 * mpt_lookout_start is declared in multiplet/job.h. */
#ifndef MPT_LOOKOUT_H
#define MPT_LOOKOUT_H

#include "base/base.h"

/* MPT_BAD_INPUT with the file's name when looking at it crashed or took longer than 60 s (or
 * MULTIPLET_LOOK_SECONDS); all other errors are left to those who open the file. Starts the lookout
 * where MPI has not been initialized; does nothing where it has, and there is none. `name` may be
 * NULL or missing. Not collective: rank 0 looks for all. */
mpt_code mpt_look_at(const char *name, const char *what, mpt_error *error);

/* What the child does with a file: opens it, visits all that is in it, reads shapes, attributes and
 * the indexes of chunks; never elements. */
void mpt_visit_file(const char *name);

#endif
