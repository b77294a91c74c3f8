/* Moves a matrix between slabs and a block-cyclic distribution. */
#ifndef MPT_REDISTRIBUTE_H
#define MPT_REDISTRIBUTE_H

#include "engine/engine.h"

/* A column-major rows x cols matrix, block-cyclic with square blocks. Team rank r stands at (r /
 * grid[1], r % grid[1]) of the grid or, with `swapped`, at (r % grid[1], r / grid[1]) of the
 * transposed grid. In the swapped layout the local transpose of each rank's part is the transpose
 * of the matrix. Local arrays are packed: the leading dimension is the number of local rows. */
typedef struct mpt_cyclic {
  const mpt_team *team;
  int64_t rows, cols, block;
  bool swapped;
} mpt_cyclic;

/* How many of the first `upto` indices belong to process `p` of `count`. */
int64_t mpt_cyclic_count(int64_t upto, int64_t block, int p, int count);

/* Slabs are contiguous columns here. Those of rank r begin at mpt_slab_start(cols, size, r); this
 * is the row slab of the row-major matrix. `buffer` has mpt_redistribute_buffer() bytes, with n the
 * larger of rows and cols. Collective. */
void mpt_slab_to_cyclic(const mpt_cyclic *cyclic, size_t element, const void *slab, void *local,
                        void *buffer);
void mpt_cyclic_to_slab(const mpt_cyclic *cyclic, size_t element, const void *local, void *slab,
                        void *buffer);
int64_t mpt_redistribute_buffer(int64_t n, int ranks, size_t element);

#endif
