#include "store/shape.h"

#include <stdio.h>
#include <string.h>

mpt_slab mpt_whole_quantity(mpt_quantity quantity, const mpt_dataset *d) {
  const mpt_sizes sizes = {d->n, d->columns ? d->columns : d->n, d->frame_columns};
  const bool rows = mpt_has_rows(quantity);
  return (mpt_slab){.count = d->count,
                    .rows = rows ? d->n : 1,
                    .cols = mpt_quantity_columns(quantity, &sizes),
                    .rank = rows                                         ? 3
                            : mpt_quantities[quantity].extent == MPT_ONE ? 1
                                                                         : 2};
}

mpt_slab mpt_quantity_slab(mpt_quantity quantity, const mpt_dataset *dataset, int64_t first,
                           int64_t count, int64_t row0, int64_t rows) {
  mpt_slab part = mpt_whole_quantity(quantity, dataset);
  part.first = first;
  part.count = count;
  if (part.rank < 3) return part;
  part.row0 = row0;
  part.rows = rows;
  return part;
}

int mpt_quantity_dims(mpt_quantity quantity, const mpt_dataset *d, hsize_t dims[H5S_MAX_RANK]) {
  const mpt_slab whole = mpt_whole_quantity(quantity, d);
  int rank = d->leading;
  memcpy(dims, d->lead, sizeof *dims * (size_t)rank);
  if (!rank) dims[rank++] = (hsize_t)d->count;
  if (whole.rank > 2) dims[rank++] = (hsize_t)whole.rows;
  if (whole.rank > 1) dims[rank++] = (hsize_t)whole.cols;
  return rank;
}

int64_t mpt_count_problems(int rank, const hsize_t *dims) {
  int64_t count = 1;
  for (int k = 0; k < rank; k++)
    if (dims[k] == 0) return 0;
  for (int k = 0; k < rank; k++) {
    if (dims[k] > (hsize_t)(INT64_MAX / count)) return INT64_MAX;
    count *= (int64_t)dims[k];
  }
  return count;
}

/* The longest run of at most `most` problems from `at` on that forms one block: whole rows of one
 * leading dimension. Sets the block's start and extents; returns its number of problems. */
static int64_t next_block(int lead, const hsize_t *dims, int64_t at, int64_t most, hsize_t *start,
                          hsize_t *size) {
  int64_t stride = 1, index = at;
  int k = lead - 1;
  for (int j = lead - 1; j >= 0; j--) {
    start[j] = (hsize_t)index % dims[j];
    index /= (int64_t)dims[j];
    size[j] = 1;
  }
  for (; k > 0 && start[k] == 0 && stride * (int64_t)dims[k] <= most; k--) {
    size[k] = dims[k];
    stride *= (int64_t)dims[k];
  }
  const int64_t rest = (int64_t)(dims[k] - start[k]), fit = most / stride;
  size[k] = (hsize_t)(rest < fit ? rest : fit);
  return stride * (int64_t)size[k];
}

bool mpt_select_problems(hid_t space, int64_t first, int64_t count, int tail, const hsize_t *start,
                         const hsize_t *size) {
  hsize_t dims[H5S_MAX_RANK], at[H5S_MAX_RANK], extent[H5S_MAX_RANK];
  const int rank = H5Sget_simple_extent_dims(space, dims, NULL), lead = rank - tail;
  if (rank < 0 || lead < 0 || (lead == 0 && (first != 0 || count != 1))) return false;
  if (first < 0 || count < 1 || count > mpt_count_problems(lead, dims) - first) return false;
  for (int k = 0; k < tail; k++) {
    at[lead + k] = start[k];
    extent[lead + k] = size[k];
  }
  if (rank == 0) return H5Sselect_all(space) >= 0;
  if (lead == 0) return H5Sselect_hyperslab(space, H5S_SELECT_SET, at, NULL, extent, NULL) >= 0;
  bool done = true;
  for (int64_t next = first; done && next < first + count;) {
    const H5S_seloper_t how = next == first ? H5S_SELECT_SET : H5S_SELECT_OR;
    next += next_block(lead, dims, next, first + count - next, at, extent);
    done = H5Sselect_hyperslab(space, how, at, NULL, extent, NULL) >= 0;
  }
  return done;
}

bool mpt_select_slab(hid_t space, const mpt_slab *p) {
  const hsize_t start[2] = {(hsize_t)p->row0, 0}, size[2] = {(hsize_t)p->rows, (hsize_t)p->cols};
  const hsize_t none = 0;
  if (p->rank == 2) return mpt_select_problems(space, p->first, p->count, 1, &none, &size[1]);
  return mpt_select_problems(space, p->first, p->count, p->rank - 1, start, size);
}

int mpt_dims_of(hid_t file, const char *path, hsize_t dims[H5S_MAX_RANK]) {
  hid_t dataset = H5Dopen(file, path, H5P_DEFAULT);
  if (dataset < 0) return -1;
  hid_t space = H5Dget_space(dataset);
  const int rank = H5Sget_simple_extent_dims(space, dims, NULL);
  H5Sclose(space);
  H5Dclose(dataset);
  return rank;
}

const char *mpt_dims_text(int rank, const hsize_t *dims, char *text, size_t length) {
  size_t at = (size_t)snprintf(text, length, "[");
  for (int k = 0; k < rank && at < length; k++)
    at += (size_t)snprintf(text + at, length - at, "%s%llu", k ? ", " : "",
                           (unsigned long long)dims[k]);
  if (at < length) snprintf(text + at, length - at, "]");
  return text;
}
