/* Adding datasets to an HDF5 file, serially and piece by piece, for `multiplet sample`. */
#ifndef MPT_SAMPLE_FILE_H
#define MPT_SAMPLE_FILE_H

#include <complex.h>
#include <hdf5.h>
#include "base/base.h"

typedef struct mpt_sample_file {
  const char *path; /* borrowed */
  hid_t id;
  bool created; /* by this program: the file is removed when the sample fails */
} mpt_sample_file;

typedef struct mpt_sample_dataset {
  const mpt_sample_file *file;
  const char *name; /* borrowed */
  mpt_type type;
  int rank;
  hsize_t shape[3];
  hid_t id, memory_type;
  void *buffer; /* of `room` elements in the file's precision */
  hsize_t room;
} mpt_sample_dataset;

/* Opens an HDF5 file to add datasets to it, or creates one. Start the struct with {0}. */
mpt_code mpt_sample_open(mpt_sample_file *file, const char *path, mpt_error *error);

/* MPT_BAD_USAGE when the name is taken; `option` is the option that the user can change. */
mpt_code mpt_sample_check_free(const mpt_sample_file *file, const char *name, const char *option,
                               mpt_error *error);

/* Closes the file; after a failure, removes a file that was created. */
mpt_code mpt_sample_close(mpt_sample_file *file, bool failed, mpt_error *error);

/* Creates a contiguous dataset and the groups above it. `room` is the number of elements that one
 * write can hold. */
mpt_code mpt_sample_create(mpt_sample_dataset *dataset, const mpt_sample_file *file,
                           const char *name, mpt_type type, int rank, const hsize_t *shape,
                           hsize_t room, mpt_error *error);

/* Writes the box of size `count` at `start` from `values`, in C order; real types drop the
 * imaginary part. */
mpt_code mpt_sample_write(mpt_sample_dataset *dataset, const hsize_t *start, const hsize_t *count,
                          const double complex *values, mpt_error *error);

/* Closes the dataset; after a failure, removes it from the file. */
mpt_code mpt_sample_finish(mpt_sample_dataset *dataset, bool failed, mpt_error *error);

#endif
