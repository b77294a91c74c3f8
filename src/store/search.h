/* Finding the datasets of matrices in a file, and saying of each that could be meant and is not
 * used why. */
#ifndef MPT_SEARCH_H
#define MPT_SEARCH_H

#include "store/input.h"

/* More problems than this in one dataset are taken for damage. */
#define MPT_MOST_PROBLEMS (INT64_C(1) << 31)

/* Appends every dataset of square matrices of a scalar type; what could be meant and is not used
 * goes to input->not_used. MPT_BAD_INPUT for what looks like matrices and has no data: links that
 * lead nowhere, sources that are missing, what was never written. */
mpt_code mpt_search_datasets(mpt_input *input, mpt_error *error);

/* Appends the named one. */
mpt_code mpt_add_dataset(mpt_input *input, const char *path, mpt_error *error);

#endif
