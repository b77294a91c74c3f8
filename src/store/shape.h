/* Any number of leading dimensions: a dataset is [*, n, n]. Its problems are counted flat, in C
 * order, and all code above the store knows only that count. */
#ifndef MPT_SHAPE_H
#define MPT_SHAPE_H

#include "store/input.h"

/* The shape of a quantity's dataset, [count, rows, cols], and how many of these dimensions it
 * has. */
mpt_slab mpt_whole_quantity(mpt_quantity quantity, const mpt_dataset *dataset);

/* The part of a quantity's dataset that a range of problems (and, for matrices, of rows) covers. */
mpt_slab mpt_quantity_slab(mpt_quantity quantity, const mpt_dataset *dataset, int64_t first,
                           int64_t count, int64_t row0, int64_t rows);

/* The dimensions of a quantity's dataset: the input's leading ones, then the quantity's own.
 * Returns their number. */
int mpt_quantity_dims(mpt_quantity quantity, const mpt_dataset *dataset,
                      hsize_t dims[H5S_MAX_RANK]);

/* The product of `rank` dimensions, capped at INT64_MAX. */
int64_t mpt_count_problems(int rank, const hsize_t *dims);

/* Selects `count` problems from `first`, counted flat over the leading dimensions, and of each
 * problem the rectangle of size[tail] at start[tail] in its last `tail` dimensions. A dataset
 * without leading dimensions is a batch of one. Elements are read and written in order. False when
 * the selection is outside the dataset. */
bool mpt_select_problems(hid_t space, int64_t first, int64_t count, int tail, const hsize_t *start,
                         const hsize_t *size);

/* Selects a part in the same way. */
bool mpt_select_slab(hid_t space, const mpt_slab *part);

/* The dimensions of a dataset; returns their number, or -1 when there is no such dataset. */
int mpt_dims_of(hid_t file, const char *path, hsize_t dims[H5S_MAX_RANK]);

/* "[2, 3, 9, 9]"; only the first dimensions where `text` is too short for all. */
const char *mpt_dims_text(int rank, const hsize_t *dims, char *text, size_t length);

#endif
