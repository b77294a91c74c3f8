#include "store/slab.h"

#include <stdlib.h>
#include <string.h>
#include "store/element.h"
#include "store/shape.h"

enum { ROOM = 1 << 16, SMALL = 1 << 12 }; /* elements: of a cache; of a cached problem */

mpt_code mpt_slab_open(mpt_slab_reader *r, hid_t file, const char *path, hid_t type,
                       const int64_t shape[3], mpt_error *error) {
  mpt_code code = MPT_DONE;
  const int64_t each = shape[1] * shape[2];
  *r = (mpt_slab_reader){.dataset = H5Dopen(file, path, H5P_DEFAULT), .type = type};
  if (r->dataset >= 0) {
    r->type = mpt_reading_type(r->dataset, type);
    H5Tclose(type);
  }
  r->path = mpt_format("%s", path);
  r->element = H5Tget_size(r->type);
  r->count = shape[0];
  r->rows = shape[1];
  r->cols = shape[2];
  if (r->dataset < 0 || !r->path)
    TRY(mpt_fail(error, MPT_BAD_INPUT,
                 "cannot read '%s': the dataset does not open (check the file with h5dump)", path));
  if (each > 0 && each <= SMALL) {
    r->run = ROOM / each < r->count ? ROOM / each : r->count;
    TRY(mpt_allocate(&r->cache, r->run * each, r->element, "small matrices", error));
  }
done:
  if (code != MPT_DONE) mpt_slab_close(r);
  return code;
}

void mpt_slab_close(mpt_slab_reader *r) {
  if (!r->element) return;
  if (r->dataset >= 0) H5Dclose(r->dataset);
  H5Tclose(r->type);
  free(r->path);
  free(r->cache);
  *r = (mpt_slab_reader){0};
}

static mpt_code read_selection(const mpt_slab_reader *r, int64_t problems, const mpt_window *s,
                               void *out, mpt_error *error) {
  const hsize_t start[2] = {(hsize_t)s->row0, (hsize_t)s->col0};
  const hsize_t size[2] = {(hsize_t)s->rows, (hsize_t)s->cols};
  hsize_t total = (hsize_t)problems * size[0] * size[1];
  hid_t space = H5Dget_space(r->dataset), memory = H5Screate_simple(1, &total, NULL);
  const int skip = r->rows == 1; /* the dataset of a vector has no row dimension */
  const bool done =
      mpt_select_problems(space, s->problem, problems, 2 - skip, start + skip, size + skip) &&
      H5Dread(r->dataset, r->type, memory, space, H5P_DEFAULT, out) >= 0;
  H5Sclose(memory);
  H5Sclose(space);
  if (done) return MPT_DONE;
  return mpt_fail(error, MPT_BAD_INPUT,
                  "cannot read problem %lld of '%s': the file is damaged or was replaced (check it "
                  "with h5dump)",
                  (long long)s->problem, r->path);
}

static mpt_code fill_cache(mpt_slab_reader *r, int64_t problem, mpt_error *error) {
  if (problem >= r->first && problem < r->first + r->held) return MPT_DONE;
  int64_t rest = r->count - problem, now = rest < r->run ? rest : r->run;
  mpt_window whole = {problem, 0, r->rows, 0, r->cols};
  r->held = 0;
  mpt_code code = read_selection(r, now, &whole, r->cache, error);
  r->first = problem;
  r->held = code == MPT_DONE ? now : 0;
  return code;
}

mpt_code mpt_slab_read(mpt_slab_reader *r, const mpt_window *s, void *out, mpt_error *error) {
  mpt_code code = MPT_DONE;
  if (s->rows == 0 || s->cols == 0) return MPT_DONE;
  if (!r->cache) return read_selection(r, 1, s, out, error);
  TRY(fill_cache(r, s->problem, error));
  const size_t width = (size_t)s->cols * r->element;
  for (int64_t i = 0; i < s->rows; i++) {
    int64_t row = (s->problem - r->first) * r->rows + s->row0 + i;
    memcpy((char *)out + (size_t)i * width,
           r->cache + (size_t)(row * r->cols + s->col0) * r->element, width);
  }
done:
  return code;
}
