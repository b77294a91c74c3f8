/* The arguments of the calls on arrays in memory. */
#ifndef MPT_ARGUMENTS_H
#define MPT_ARGUMENTS_H

#include "engine/batch.h"

/* A batch whose eigenpairs are written to, or read from, w and v. */
mpt_batch mpt_memory_batch(mpt_type type, int64_t n, int64_t count, const void *a, const void *w,
                           const void *v, int32_t *multiplet, mpt_report *report);

/* The name of an invalid argument, or NULL. */
const char *mpt_wrong_argument(const mpt_batch *batch, const mpt_options *options, bool backward);

/* MPT_BAD_USAGE, with that name. */
mpt_code mpt_refuse(const char *argument, mpt_error *error);

#endif
