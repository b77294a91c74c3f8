/* Finding the datasets of matrices in a file, and explaining for each that could be meant why it is
 * not used. */
#ifndef MPT_SEARCH_H
#define MPT_SEARCH_H

#include "store/input.h"

/* A dataset with more problems than this is taken to be damaged. */
#define MPT_MOST_PROBLEMS (INT64_C(1) << 31)

/* Appends every dataset of square matrices with a scalar type. Those that could be meant and are
 * not used are listed in input->not_used. MPT_BAD_INPUT for matrices without data: links that lead
 * nowhere, missing sources, data never written. */
mpt_code mpt_search_datasets(mpt_input *input, mpt_error *error);

/* Appends the named dataset. */
mpt_code mpt_add_dataset(mpt_input *input, const char *path, mpt_error *error);

#endif
