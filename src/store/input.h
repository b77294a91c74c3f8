/* Reading matrices from the input file, the cotangent file and an earlier result. Nothing here is
 * collective: every rank opens the files for itself and reads what it needs. */
#ifndef MPT_INPUT_H
#define MPT_INPUT_H

#include <sys/types.h>
#include "store/schema.h"

enum { MPT_MOST_LEADING = H5S_MAX_RANK - 2 };

/* A batch of matrices in a file: [*, n, n], where the problems are counted flat in C order, or [n,
 * n], a batch of one. */
typedef struct mpt_dataset {
  char *path; /* absolute inside the file */
  mpt_type type;
  int64_t count, n;
  int64_t columns;       /* number of eigenvalues and eigenvectors under a selection; 0: n */
  int64_t frame_columns; /* columns of the job's frame; 0: none */
  int leading;           /* dimensions before the last two; 0: the result has [count] */
  hsize_t lead[MPT_MOST_LEADING]; /* their product is count */
} mpt_dataset;

/* A file and its state, as the file system reports them without reading it. Two states less than a
 * clock tick apart can look the same; a state is `settled` when the last change is long enough ago
 * to exclude this. */
typedef struct mpt_identity {
  uint64_t device, inode;
  int64_t size, seconds, nanoseconds; /* last change of content or attributes */
  int64_t written, written_part;      /* last change of content; users can set it */
} mpt_identity;
bool mpt_identify(const char *name, mpt_identity *identity);
bool mpt_identify_open(int file, mpt_identity *identity);

/* The file descriptor of an open HDF5 file; it stays HDF5's. -1: the file has none. */
int mpt_descriptor_of(hid_t file);
bool mpt_same_identity(const mpt_identity *a, const mpt_identity *b);
bool mpt_is_settled(const mpt_identity *identity);

typedef struct mpt_input {
  hid_t file;
  mpt_identity opened; /* the file's, when it was opened */
  char *name;          /* of the file */
  mpt_dataset *datasets;
  int64_t count;
  char *not_used; /* searched datasets that are not used, "/path: why" lines; NULL: none */
} mpt_input;

/* Opens a file and finds its datasets: those named in `paths`, or, if that is NULL, every dataset
 * of square matrices with a scalar type. MPT_BAD_INPUT when the file is missing, not HDF5 or
 * truncated; when a named dataset is missing or has the wrong rank, shape or type; or when a
 * dataset's elements are missing. */
mpt_code mpt_input_open(const char *name, char *const *paths, int64_t count, mpt_input *input,
                        mpt_error *error);
void mpt_input_close(mpt_input *input);

/* "a directory", "a FIFO", ..., for a path that is no regular file. */
const char *mpt_kind_of_file(mode_t mode);

/* Fails unless there is a regular file that can be opened. Never waits, as opening a FIFO does. */
mpt_code mpt_expect_file(const char *name, const char *what, mpt_error *error);

/* Opens a file for reading; messages name `what`, the kind of file that was expected. */
mpt_code mpt_open_for_reading(const char *name, const char *what, hid_t *file, mpt_error *error);

/* A hash of the file in 16 hexadecimal digits. Up to 64 MiB it covers all of the content; beyond
 * that, 1024 blocks spread over it, its size and the time of its last change. */
mpt_code mpt_fingerprint(const char *name, char out[17], mpt_error *error);

/* The same hash of an open file, computed by several ranks: the fingerprint is the sum of all parts
 * (0 to parts - 1) modulo 2^64. */
mpt_code mpt_fingerprint_part(int file, const char *name, int part, int parts, uint64_t *sum,
                              mpt_error *error);
void mpt_fingerprint_write(uint64_t sum, char out[17]);

/* A part of a dataset [*, rows, cols] (or with one dimension less on either side): the problems
 * from `first` on, and of each the rows from `row0` on. A per-eigenvalue dataset has rows = 1. */
typedef struct mpt_slab {
  int64_t first, count, row0, rows, cols;
  int rank; /* dimensions of the dataset, 1, 2 or 3; all leading ones count as one */
} mpt_slab;

/* Reads the part into `out`, contiguous and converted to `type`. Real numbers can be read as
 * complex ones. */
mpt_code mpt_read_slab(hid_t file, const char *path, const mpt_slab *part, hid_t type, void *out,
                       mpt_error *error);

/* Whether `path` exists as a dataset. MPT_BAD_INPUT, with a message naming `file_name`, when it
 * exists and does not have the quantity's shape and type, or its data are missing, or it is a link
 * that leads nowhere. */
mpt_code mpt_expect_dataset(hid_t file, const char *file_name, const char *path,
                            const mpt_dataset *like, mpt_quantity quantity, bool *exists,
                            mpt_error *error);

/* Fails unless the elements of an open dataset are there: see storage.h. */
mpt_code mpt_expect_data(hid_t dataset, const char *file_name, const char *path, mpt_error *error);

/* MPT_BAD_INPUT when `path` is a link that leads nowhere. */
mpt_code mpt_refuse_dangling(hid_t file, const char *file_name, const char *path, mpt_error *error);

#endif
