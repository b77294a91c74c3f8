/* Where a result goes in the file system: which files may be there already, the names beside it,
 * and how a new file gets there. Not collective: for the first rank, under the lock. */
#ifndef MPT_DESTINATION_H
#define MPT_DESTINATION_H

#include "base/base.h"

/* The path of the file itself, for the caller to free. A link to a result is followed, so that a
 * result has one lock under all its names. A link is refused with `fresh`, or when it leads
 * nowhere. */
mpt_code mpt_destination_find(const char *output, bool fresh, char **path, mpt_error *error);

/* Whether a file is there, and whether it may be continued or, with `fresh`, replaced. It must be a
 * regular file; to be replaced, it must be empty or a result of this program. MPT_BAD_OUTPUT or
 * MPT_BAD_USAGE otherwise. */
mpt_code mpt_destination_check(const char *path, bool fresh, bool *exists, mpt_error *error);

/* Refuses a file with several hard links: each name would have a lock of its own. */
mpt_code mpt_destination_is_alone(const char *path, mpt_error *error);

/* "DIRECTORY/NAME" with a suffix. NAME is cut where the name would be longer than file systems
 * allow. NULL when memory is out. The caller frees it. */
char *mpt_beside(const char *path, const char *suffix);

/* A unique name for a file that is being made. NULL when memory is out. The caller frees it. */
char *mpt_destination_draft(const char *path);

/* Removes the draft that a killed run has left, and no other file. */
void mpt_destination_remove_draft(const char *path, const char *draft);

/* Renames the finished draft to `path`. With `replaces` it replaces the file there; otherwise there
 * must be none. */
bool mpt_destination_put(const char *draft, const char *path, bool replaces);

/* Syncs the directory's entry for the file to the disk. */
bool mpt_sync_directory(const char *path);

#endif
