/* Making and checking the result file on rank 0, with no other rank in it. */
#ifndef MPT_CREATE_H
#define MPT_CREATE_H

#include "result.h"

/* Creates path.new whole, reserves its space, and renames it to path. */
mpt_code mpt_create_result(const mpt_result_spec *spec, mpt_error *error);

/* Whether the file at path is the same job's, and then whether it is complete; MPT_BAD_USAGE when
 * it is another's. */
mpt_code mpt_check_same_job(const mpt_result_spec *spec, bool *complete, mpt_error *error);

/* Sets the attribute `complete` of a closed file. */
mpt_code mpt_mark_complete(const char *path, mpt_error *error);

#endif
