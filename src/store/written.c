#include "store/written.h"

#include <stdio.h>

/* A dataset larger than the first is refused when less than the second of it was written: its
 * dimensions are damaged, or it was never filled. */
static const double large_bytes = 0x1p30, least_part = 1.0 / 1024;

static const struct {
  H5Z_filter_t id;
  const char *name;
} filters[] = {
    {H5Z_FILTER_DEFLATE, "gzip"},
    {H5Z_FILTER_SZIP, "szip"},
    {307, "bzip2"},
    {32000, "lzf"},
    {32001, "blosc"},
    {32004, "lz4"},
    {32008, "bitshuffle"},
    {32013, "zfp"},
    {32015, "zstd"},
    {32017, "sz"},
    {32018, "fcidecomp"},
    {32026, "blosc2"},
};

double mpt_logical_bytes(hid_t dataset) {
  hsize_t dims[H5S_MAX_RANK];
  hid_t space = H5Dget_space(dataset), type = H5Dget_type(dataset);
  double bytes = (double)H5Tget_size(type);
  const int rank = H5Sget_simple_extent_dims(space, dims, NULL);
  for (int k = 0; k < rank; k++) bytes *= (double)dims[k];
  H5Sclose(space);
  H5Tclose(type);
  return bytes;
}

static const char *name_of_filter(H5Z_filter_t id, const char *stored) {
  for (size_t k = 0; k < sizeof filters / sizeof *filters; k++)
    if (filters[k].id == id) return filters[k].name;
  return stored;
}

static void find_missing_filter(hid_t how, mpt_lack *lack) {
  const int count = H5Pget_nfilters(how);
  for (int k = 0; k < count; k++) {
    unsigned flags = 0, decodes = 0;
    size_t values = 0;
    char name[64] = "";
    const H5Z_filter_t id =
        H5Pget_filter(how, (unsigned)k, &flags, &values, NULL, sizeof name - 1, name, &decodes);
    const bool there = H5Zfilter_avail(id) > 0;
    if (there && H5Zget_filter_info(id, &decodes) >= 0 &&
        decodes & H5Z_FILTER_CONFIG_DECODE_ENABLED)
      continue;
    const char *known = name_of_filter(id, name);
    lack->kind = MPT_LACKS_FILTER;
    snprintf(lack->text, sizeof lack->text,
             "it is compressed with filter %d (%.40s), which this HDF5 has not (install its plugin "
             "and set HDF5_PLUGIN_PATH to its directory, or rewrite the file: h5repack -f GZIP=4)",
             (int)id, *known ? known : "unnamed");
    return;
  }
}

static void never_written(mpt_lack *lack) {
  lack->kind = MPT_LACKS_SOURCE;
  snprintf(lack->text, sizeof lack->text,
           "its data were never written, HDF5 would make up zeros (write it, or name others in "
           "input.datasets)");
}

void mpt_find_contiguous_lack(hid_t dataset, mpt_lack *lack) {
  hsize_t size = 0;
  H5D_space_status_t status = H5D_SPACE_STATUS_ALLOCATED;
  H5Dget_space_status(dataset, &status);
  if (status == H5D_SPACE_STATUS_NOT_ALLOCATED) {
    never_written(lack);
    return;
  }
  hid_t file = H5Iget_file_id(dataset);
  const haddr_t at = H5Dget_offset(dataset);
  const double end = (double)at + (double)H5Dget_storage_size(dataset);
  const bool known = file >= 0 && at != HADDR_UNDEF && H5Fget_filesize(file, &size) >= 0;
  if (file >= 0) H5Fclose(file);
  if (!known || end <= (double)size) return;
  lack->kind = MPT_LACKS_SOURCE;
  snprintf(lack->text, sizeof lack->text,
           "it says to reach to byte %.0f and the file ends at %.0f: truncated or damaged (make it "
           "again)",
           end, (double)size);
}

static double count_chunks(hid_t dataset, hid_t how) {
  hsize_t dims[H5S_MAX_RANK], chunk[H5S_MAX_RANK];
  hid_t space = H5Dget_space(dataset);
  const int rank = H5Sget_simple_extent_dims(space, dims, NULL);
  double count = 1;
  H5Sclose(space);
  if (H5Pget_chunk(how, H5S_MAX_RANK, chunk) != rank) return 0;
  for (int k = 0; k < rank; k++) count *= (double)((dims[k] - 1) / chunk[k] + 1);
  return count;
}

void mpt_find_chunked_lack(hid_t dataset, hid_t how, mpt_lack *lack) {
  hsize_t written = 0;
  H5D_space_status_t status = H5D_SPACE_STATUS_ALLOCATED;
  H5Dget_space_status(dataset, &status);
  if (status == H5D_SPACE_STATUS_NOT_ALLOCATED) {
    never_written(lack);
    return;
  }
  find_missing_filter(how, lack);
#if H5_VERSION_GE(1, 10, 5)
  if (lack->kind != MPT_LACKS_NOTHING || status == H5D_SPACE_STATUS_ALLOCATED) return;
  const double all = count_chunks(dataset, how), bytes = mpt_logical_bytes(dataset);
  hid_t space = H5Dget_space(dataset);
  const bool counted = H5Dget_num_chunks(dataset, space, &written) >= 0;
  H5Sclose(space);
  if (!counted || (double)written >= all) return;
  const bool hardly = (double)written < all * least_part && bytes > large_bytes;
  lack->kind = hardly ? MPT_LACKS_SOURCE : MPT_LACKS_PARTS;
  if (hardly)
    snprintf(lack->text, sizeof lack->text,
             "of the %.3g GiB that it says to hold, %.0f of %.3g chunks were ever written (write "
             "all of it, or shrink its dimensions)",
             bytes / 0x1p30, (double)written, all);
  else
    snprintf(lack->text, sizeof lack->text,
             "%.0f of its %.0f chunks were never written, and read as the fill value",
             all - (double)written, all);
#endif
}
