/* What a result file is to contain: its attributes and datasets. Nothing here is collective. */
#ifndef MPT_SPEC_H
#define MPT_SPEC_H

#include "store/input.h"

/* A function, by the name that its datasets have. */
typedef struct mpt_stored_function {
  const char *name;
  mpt_quantityset arrays; /* the arrays that it has */
} mpt_stored_function;

typedef struct mpt_result_spec {
  const char *path;
  const char *config; /* resolved; equal texts mean the same job */
  const char *input_file, *fingerprint;
  const char *not_used; /* datasets of the input that could be meant and are not used; NULL: none */
  const char *blas;     /* the library's own description */
  const mpt_dataset *datasets;
  int64_t count;
  mpt_quantityset quantities; /* MPT_BIT() of those stored */
  const mpt_stored_function *functions;
  int64_t function_count;
  int ranks;
  bool sync; /* data are on the disk before the status that vouches for them is written */
} mpt_result_spec;

/* "/a/b/functions/rho", or "/a/b" for a quantity without a name; NULL when memory is out. The
 * caller frees it. */
char *mpt_quantity_path(const mpt_result_spec *spec, int64_t d, mpt_quantity quantity,
                        int64_t function);

/* Whether a job of this spec stores the quantity of that function. */
bool mpt_is_stored(const mpt_result_spec *spec, mpt_quantity quantity, int64_t function);

#endif
