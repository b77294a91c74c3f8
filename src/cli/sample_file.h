/* Adding datasets to an HDF5 file, serially and piece by piece, for `multiplet sample`. */
#ifndef MPT_SAMPLE_FILE_H
#define MPT_SAMPLE_FILE_H

#include <complex.h>
#include <hdf5.h>
#include "base/base.h"

typedef struct mpt_sample_file {
  const char *path; /* borrowed */
  hid_t id;
  bool created; /* by us: removed again when the sample fails */
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

/* Opens an HDF5 file for adding to it, or creates it. Start the struct with {0}. */
mpt_code mpt_sample_open(mpt_sample_file *file, const char *path, mpt_error *error);

/* MPT_BAD_USAGE when the name is taken; `option` is what the user may change. */
mpt_code mpt_sample_check_free(const mpt_sample_file *file, const char *name, const char *option,
                               mpt_error *error);

/* Closes; after a failure a file that was created is removed. */
mpt_code mpt_sample_close(mpt_sample_file *file, bool failed, mpt_error *error);

/* A contiguous dataset, with the groups above it. `room` is the most elements in one write. */
mpt_code mpt_sample_create(mpt_sample_dataset *dataset, const mpt_sample_file *file,
                           const char *name, mpt_type type, int rank, const hsize_t *shape,
                           hsize_t room, mpt_error *error);

/* Writes the box at `start` of `count`, from `values` in C order; real types drop the imaginary
 * part. */
mpt_code mpt_sample_write(mpt_sample_dataset *dataset, const hsize_t *start, const hsize_t *count,
                          const double complex *values, mpt_error *error);

/* After a failure the dataset is taken out of the file again. */
mpt_code mpt_sample_finish(mpt_sample_dataset *dataset, bool failed, mpt_error *error);

#endif
