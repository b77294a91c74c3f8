/* Where a result goes in the file system: what may stand there already, the names beside it, and
 * how a new file gets there. Not collective: for the first rank, under the lock. */
#ifndef MPT_DESTINATION_H
#define MPT_DESTINATION_H

#include "base/base.h"

/* The path of the file itself, for the caller to free: a link to a result is followed, so that it
 * has one lock under all its names; with `fresh`, or where it leads nowhere, it is refused. */
mpt_code mpt_destination_find(const char *output, bool fresh, char **path, mpt_error *error);

/* Whether a file is there, and whether it may be continued, or with `fresh` replaced: a regular
 * file; to be replaced, an empty one or a result of this program. MPT_BAD_OUTPUT or MPT_BAD_USAGE
 * otherwise. */
mpt_code mpt_destination_check(const char *path, bool fresh, bool *exists, mpt_error *error);

/* Refuses a file of several names, each of which would have a lock of its own. */
mpt_code mpt_destination_is_alone(const char *path, mpt_error *error);

/* "DIRECTORY/NAME" with a suffix, whatever a file system's longest name is: a long NAME is cut.
 * NULL when memory is out. The caller frees it. */
char *mpt_beside(const char *path, const char *suffix);

/* A name that nobody else has, for a file that is being made. NULL when memory is out. */
char *mpt_destination_draft(const char *path);

/* Removes such a file, which a run that was killed has left; no other one. */
void mpt_destination_remove_draft(const char *path, const char *draft);

/* The finished draft takes its place, of no other file than the one that was found there. */
bool mpt_destination_put(const char *draft, const char *path, bool replaces);

/* Brings the directory's entry for the file to the disk. */
bool mpt_sync_directory(const char *path);

#endif
