/* Making and checking the result file. On rank 0 unless said otherwise. */
#ifndef MPT_CREATE_H
#define MPT_CREATE_H

#include "store/spec.h"

/* Creates the complete file under the name `draft`, which must be new, reserves its space, and
 * renames it to spec->path. With `replaces` it replaces the file there; otherwise there must be
 * none. */
mpt_code mpt_create_result(const mpt_result_spec *spec, const char *draft, bool replaces,
                           mpt_error *error);

/* Whether the file at spec->path is a result of the same job, and if so whether it is complete.
 * MPT_BAD_USAGE when it belongs to another job. */
mpt_code mpt_check_same_job(const mpt_result_spec *spec, bool *complete, mpt_error *error);

/* The same check of an open file, for the ranks that have not looked at its path. */
bool mpt_is_same_job(hid_t file, const mpt_result_spec *spec);

/* Sets the attribute `complete` of a file that this rank has opened for itself. */
bool mpt_mark_complete(hid_t file);

#endif
