/* What a result file is to be: as attributes and datasets. Nothing here is collective. */
#ifndef MPT_SPEC_H
#define MPT_SPEC_H

#include "store/input.h"

/* A function by the name of its datasets. */
typedef struct mpt_stored_function {
  const char *name;
  mpt_quantityset arrays; /* that it has */
} mpt_stored_function;

typedef struct mpt_result_spec {
  const char *path;
  const char *config; /* resolved; equal texts mean the same job */
  const char *input_file, *fingerprint;
  const char *not_used; /* what of the input could be meant and is not used; NULL: nothing */
  const char *blas;     /* the library's own description */
  const mpt_dataset *datasets;
  int64_t count;
  mpt_quantityset quantities; /* MPT_BIT() of those that are stored */
  const mpt_stored_function *functions;
  int64_t function_count;
  int ranks;
  bool sync; /* what a status vouches for is on the disk before it is said */
} mpt_result_spec;

/* "/a/b/functions/rho", or "/a/b" for a quantity without a name; NULL when memory is out. The
 * caller frees it. */
char *mpt_quantity_path(const mpt_result_spec *spec, int64_t d, mpt_quantity quantity,
                        int64_t function);

/* Whether a job of this spec stores the quantity of that function. */
bool mpt_is_stored(const mpt_result_spec *spec, mpt_quantity quantity, int64_t function);

#endif
