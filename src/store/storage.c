#include "store/storage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "store/sources.h"
#include "store/written.h"

enum { DEEPEST = 8 };

/* Finds what a dataset lacks that is a source at depth `depth`: the sources of virtual datasets are
 * datasets, which can be virtual themselves. */
static void find_lack(hid_t dataset, int depth, mpt_lack *lack);

/* A source of a virtual dataset; `block` replaces %b in its names. */
typedef struct source {
  hid_t dataset, space; /* the virtual dataset; the selection in the source */
  hssize_t points;      /* points that the selection covers; -1: as many as there are */
  const char *directory;
  char file[MPT_SOURCE_NAME], name[MPT_SOURCE_NAME];
  int depth;
} source;

static void missing(const source *s, const char *what, mpt_lack *lack) {
  if (lack->kind == MPT_LACKS_SOURCE) return;
  lack->kind = MPT_LACKS_SOURCE;
  snprintf(lack->text, sizeof lack->text,
           "it is virtual, and its source '%.120s:%.80s' %s, HDF5 would make up zeros (put it "
           "back, or set HDF5_VDS_PREFIX)",
           s->file, s->name, what);
}

/* Whether everything selected lies within the source as it is now. In the file, a selection of
 * everything has no extent of its own. */
static bool reaches(const source *s, hid_t dataset) {
  hsize_t dims[H5S_MAX_RANK], start[H5S_MAX_RANK], end[H5S_MAX_RANK];
  hid_t space = H5Dget_space(dataset);
  const int rank = H5Sget_simple_extent_dims(space, dims, NULL);
  const hssize_t elements = H5Sget_simple_extent_npoints(space);
  H5Sclose(space);
  if (H5Sget_select_type(s->space) == H5S_SEL_ALL) return s->points < 0 || elements == s->points;
  if (H5Sget_simple_extent_ndims(s->space) != rank) return false;
  if (H5Sget_select_bounds(s->space, start, end) < 0) return true; /* an unlimited selection */
  bool within = true;
  for (int k = 0; k < rank; k++) within &= end[k] < dims[k];
  return within;
}

static void check_source(const source *s, mpt_lack *lack) {
  char found[MPT_SOURCE_NAME];
  double bytes;
  const bool own = !strcmp(s->file, ".");
  hid_t file = H5I_INVALID_HID;
  if (own)
    file = H5Iget_file_id(s->dataset);
  else if (mpt_find_source(s->file, getenv("HDF5_VDS_PREFIX"), s->directory, true, found, &bytes))
    file = H5Fopen(found, H5F_ACC_RDONLY, H5P_DEFAULT);
  hid_t dataset = file >= 0 ? H5Dopen(file, s->name, H5P_DEFAULT) : H5I_INVALID_HID;
  if (dataset < 0)
    missing(s, "is missing", lack);
  else if (!reaches(s, dataset))
    missing(s, "is smaller than it should be", lack);
  else
    find_lack(dataset, s->depth + 1, lack);
  if (dataset >= 0) H5Dclose(dataset);
  if (file >= 0) H5Fclose(file);
}

/* The number of blocks that a mapping without limit has in the dataset's own dimensions. */
static int64_t count_blocks(hid_t dataset, hid_t mapped) {
  hsize_t dims[H5S_MAX_RANK], start[H5S_MAX_RANK], stride[H5S_MAX_RANK], count[H5S_MAX_RANK],
      block[H5S_MAX_RANK];
  hid_t space = H5Dget_space(dataset);
  const int rank = H5Sget_simple_extent_dims(space, dims, NULL);
  int64_t blocks = 1;
  H5Sclose(space);
  if (H5Sis_regular_hyperslab(mapped) <= 0 ||
      H5Sget_regular_hyperslab(mapped, start, stride, count, block) < 0)
    return blocks;
  for (int k = 0; k < rank; k++)
    if (count[k] == H5S_UNLIMITED && dims[k] > start[k] && stride[k] > 0)
      blocks = (int64_t)((dims[k] - start[k] - 1) / stride[k] + 1);
  return blocks;
}

/* Fills in a name for one block: %b is the block's number, %% a percent sign. Returns whether there
 * was a %b. */
static bool fill_in(const char *pattern, int64_t block, char out[MPT_SOURCE_NAME]) {
  size_t at = 0;
  bool any = false;
  for (const char *c = pattern; *c && at + 32 < MPT_SOURCE_NAME; c++) {
    char *end;
    const long width = c[0] == '%' ? strtol(c + 1, &end, 10) : 0;
    if (c[0] == '%' && *end == 'b') {
      at += (size_t)snprintf(out + at, MPT_SOURCE_NAME - at, "%0*lld",
                             width > 0 && width < 24 ? (int)width : 1, (long long)block);
      any = true;
      c = end;
    } else if (c[0] == '%' && c[1] == '%') {
      out[at++] = *c++;
    } else {
      out[at++] = *c;
    }
  }
  out[at] = 0;
  return any;
}

/* Checks all sources of one mapping. Returns how many elements it covers; `all` where that is not
 * known. */
static double check_mapping(hid_t how, size_t k, source *s, double all, mpt_lack *lack) {
  char file[MPT_SOURCE_NAME] = "", name[MPT_SOURCE_NAME] = "";
  H5Pget_virtual_filename(how, k, file, sizeof file);
  H5Pget_virtual_dsetname(how, k, name, sizeof name);
  hid_t mapped = H5Pget_virtual_vspace(how, k);
  s->space = H5Pget_virtual_srcspace(how, k);
  const hssize_t points = H5Sget_select_npoints(mapped);
  const bool endless = points < 0 || (hsize_t)points == H5S_UNLIMITED;
  s->points = endless ? -1 : points;
  int64_t blocks = count_blocks(s->dataset, mapped);
  for (int64_t b = 0; b < blocks && lack->kind != MPT_LACKS_SOURCE; b++) {
    const bool of_files = fill_in(file, b, s->file), of_datasets = fill_in(name, b, s->name);
    check_source(s, lack);
    if (!of_files && !of_datasets) break;
  }
  H5Sclose(s->space);
  H5Sclose(mapped);
  return endless ? all : (double)points;
}

static void find_virtual_lack(hid_t dataset, hid_t how, int depth, mpt_lack *lack) {
  char directory[MPT_SOURCE_NAME];
  source *s = depth < DEEPEST ? mpt_alloc(1, sizeof *s) : NULL;
  size_t count = 0;
  double covered = 0;
  hid_t space = H5Dget_space(dataset);
  const double all = (double)H5Sget_simple_extent_npoints(space);
  H5Sclose(space);
  H5Pget_virtual_count(how, &count);
  mpt_source_directory(dataset, directory);
  for (size_t k = 0; s && k < count && lack->kind != MPT_LACKS_SOURCE; k++) {
    s->dataset = dataset;
    s->directory = directory;
    s->depth = depth;
    covered += check_mapping(how, k, s, all, lack);
  }
  free(s);
  if (lack->kind == MPT_LACKS_SOURCE || (s && covered >= all)) return;
  lack->kind = MPT_LACKS_SOURCE;
  snprintf(
      lack->text, sizeof lack->text,
      s ? "it is virtual, and a part of it has no source, HDF5 would make up its elements (map "
          "all of it)"
        : "it is virtual, of sources that are virtual without end (name a real dataset)");
}

static void find_lack(hid_t dataset, int depth, mpt_lack *lack) {
  hid_t how = H5Dget_create_plist(dataset);
  const H5D_layout_t layout = H5Pget_layout(how);
  if (mpt_logical_bytes(dataset) == 0)
    lack->kind = MPT_LACKS_NOTHING;
  else if (layout == H5D_VIRTUAL)
    find_virtual_lack(dataset, how, depth, lack);
  else if (H5Pget_external_count(how) > 0)
    mpt_find_external_lack(dataset, how, lack);
  else if (layout == H5D_CHUNKED)
    mpt_find_chunked_lack(dataset, how, lack);
  else if (layout == H5D_CONTIGUOUS)
    mpt_find_contiguous_lack(dataset, lack);
  H5Pclose(how);
}

mpt_lack mpt_dataset_lack(hid_t dataset) {
  mpt_lack lack = {.kind = MPT_LACKS_NOTHING};
  find_lack(dataset, 0, &lack);
  return lack;
}
