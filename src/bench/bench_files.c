#include "bench/bench_files.h"

#include <stdio.h>
#include <stdlib.h>
#include "run/stop.h"

enum { PIECE = 1 << 20 }; /* number of elements written at once, approximately */

mpt_code mpt_bench_config(const char *path, const char *more, mpt_error *error) {
  FILE *file = path ? fopen(path, "w") : NULL;
  if (file) {
    fprintf(file,
            "input: {file: multiplet-bench-in.h5}\noutput: {file: multiplet-bench-out.h5}\n%s",
            more);
    if (!fclose(file)) return MPT_DONE;
  }
  return mpt_fail(error, MPT_BAD_OUTPUT,
                  "cannot write to '%s': no permission or space (name another --directory)", path);
}

mpt_code mpt_bench_no_room(const char *path, mpt_error *error) {
  return mpt_fail(error, MPT_BAD_OUTPUT,
                  "cannot write '%s': the benchmark's files need some GiB (name another "
                  "--directory)",
                  path);
}

hid_t mpt_bench_create(const char *path) {
  H5Eset_auto(H5E_DEFAULT, NULL, NULL);
  return H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
}

/* A dataset of `count` problems; a problem is [n, n] complex128 or [n] float64. */
typedef struct array {
  int64_t n, count, each;
  bool matrices;
  hid_t type;
} array;

static void fill(const array *a, int64_t first, int64_t count, void *out) {
  double x[2];
  for (int64_t k = 0; k < count; k++) {
    const int64_t at = (first + k) * a->n;
    if (a->matrices)
      mpt_bench_fill(MPT_COMPLEX128, a->n, a->n, at, at, (double(*)[2])out + k * a->each);
    for (int64_t j = 0; !a->matrices && j < a->n; j++) {
      mpt_bench_element(at + j, at + j + 1, x);
      ((double *)out)[k * a->n + j] = x[0];
    }
  }
}

static bool write_piece(hid_t set, const array *a, int64_t first, int64_t count,
                        const void *pieces) {
  hsize_t start[3] = {(hsize_t)first, 0, 0},
          size[3] = {(hsize_t)count, (hsize_t)a->n, (hsize_t)a->n};
  hsize_t elements = (hsize_t)(count * a->each);
  hid_t space = H5Dget_space(set), memory = H5Screate_simple(1, &elements, NULL);
  bool done = H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, size, NULL) >= 0 &&
              H5Dwrite(set, a->type, memory, space, H5P_DEFAULT, pieces) >= 0;
  H5Sclose(memory);
  H5Sclose(space);
  return done;
}

static bool write_array(hid_t file, const char *name, const array *a) {
  const hsize_t dims[3] = {(hsize_t)a->count, (hsize_t)a->n, (hsize_t)a->n};
  const int64_t piece = 1 + PIECE / a->each;
  void *memory = mpt_alloc(piece * a->each, H5Tget_size(a->type));
  hid_t space = H5Screate_simple(a->matrices ? 3 : 2, dims, NULL);
  hid_t links = H5Pcreate(H5P_LINK_CREATE);
  H5Pset_create_intermediate_group(links, 1);
  hid_t set = H5Dcreate(file, name, a->type, space, links, H5P_DEFAULT, H5P_DEFAULT);
  bool done = memory && set >= 0;
  for (int64_t at = 0; done && at < a->count; at += piece) {
    const int64_t now = a->count - at < piece ? a->count - at : piece;
    fill(a, at, now, memory);
    done = write_piece(set, a, at, now, memory);
  }
  if (set >= 0) H5Dclose(set);
  H5Pclose(links);
  H5Sclose(space);
  free(memory);
  return done && H5Fflush(file, H5F_SCOPE_LOCAL) >= 0;
}

mpt_code mpt_bench_write(hid_t file, const char *name, bool matrices, int64_t n, int64_t count,
                         const char *path, mpt_error *error) {
  const array a = {n, count, matrices ? n * n : n, matrices,
                   mpt_scalar_type(matrices ? MPT_COMPLEX128 : MPT_FLOAT64)};
  bool done = file >= 0 && write_array(file, name, &a);
  H5Tclose(a.type);
  if (done) return MPT_DONE;
  return mpt_bench_no_room(path, error);
}

mpt_code mpt_bench_run(MPI_Comm comm, const char *config, const char *override,
                       mpt_summary *summary, mpt_error *error) {
  mpt_config c = {0};
  mpt_code code = mpt_config_load(config, &override, override != NULL, &c);
  if (code != MPT_DONE) return code;
  mpt_stop_install();
  return mpt_run_config(comm, &c, true, NULL, summary, error);
}
