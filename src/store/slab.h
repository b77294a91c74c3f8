/* Fast reading of many small pieces of one dataset of matrices or vectors. For small problems, a
 * run of problems is read at once and the pieces are copied out of it. */
#ifndef MPT_SLAB_H
#define MPT_SLAB_H

#include "store/input.h"

typedef struct mpt_slab_reader {
  hid_t dataset, type;
  char *path;
  size_t element;
  int64_t count, rows, cols; /* the dataset is [*, rows, cols], or [*, cols] if rows is 1 */
  int64_t run, first, held;  /* problems read at once; first and number of those in the cache */
  char *cache;
} mpt_slab_reader;

/* A rectangle of one problem's matrix. */
typedef struct mpt_window {
  int64_t problem, row0, rows, col0, cols;
} mpt_window;

/* Takes `type` over, also on failure. The dataset may lack the batch dimension when `count` is
 * 1. */
mpt_code mpt_slab_open(mpt_slab_reader *reader, hid_t file, const char *path, hid_t type,
                       const int64_t shape[3], mpt_error *error);
void mpt_slab_close(mpt_slab_reader *reader);

/* Reads into `out`, row-major and contiguous. */
mpt_code mpt_slab_read(mpt_slab_reader *reader, const mpt_window *slab, void *out,
                       mpt_error *error);

#endif
