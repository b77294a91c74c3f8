/* Making and checking the result file, on rank 0 where nothing else is said. */
#ifndef MPT_CREATE_H
#define MPT_CREATE_H

#include "store/spec.h"

/* Creates the file whole under the name `draft`, which must be new, reserves its space, and renames
 * it to spec->path, which it replaces or where nothing may be. */
mpt_code mpt_create_result(const mpt_result_spec *spec, const char *draft, bool replaces,
                           mpt_error *error);

/* Whether the file at path is the same job's, and then whether it is complete; MPT_BAD_USAGE when
 * it is another's. */
mpt_code mpt_check_same_job(const mpt_result_spec *spec, bool *complete, mpt_error *error);

/* The same of an open file, for the ranks that have not looked at its path. */
bool mpt_is_same_job(hid_t file, const mpt_result_spec *spec);

/* Sets the attribute `complete` of a file that this rank has opened for itself. */
bool mpt_mark_complete(hid_t file);

#endif
