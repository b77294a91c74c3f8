/* Paths of a job: always absolute, and the same text wherever the job is started. */
#ifndef MPT_PATH_H
#define MPT_PATH_H

#include "base/base.h"

/* The directory that holds the file, without symbolic links; the caller frees it. NULL with errno
 * set when there is no such directory. */
char *mpt_directory_of(const char *path);

/* The absolute path of `path`, relative to `directory` unless it is absolute. NULL when memory is
 * out. The caller frees it. */
char *mpt_absolute_path(const char *directory, const char *path);

/* Whether two absolute paths name the same file, directly or through links. */
bool mpt_same_file(const char *a, const char *b);

#endif
