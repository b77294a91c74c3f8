/* Whole jobs, HDF5 to HDF5: how two ranks (or more) compare with one, what waiting and files cost.
 */
#include "bench.h"

#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "agree.h"
#include "run.h"
#include "schema.h"

/* Dataset /n<n> of `count` benchmark matrices, complex128. */
static bool write_dataset(hid_t file, int64_t n, int64_t count) {
  char name[32];
  hsize_t dims[3] = {(hsize_t)count, (hsize_t)n, (hsize_t)n};
  double(*matrices)[2] = mpt_alloc(count * n * n, sizeof *matrices);
  if (!matrices) return false;
  for (int64_t b = 0; b < count; b++)
    for (int64_t i = 0; i < n; i++)
      for (int64_t j = 0; j < n; j++)
        mpt_bench_element(i + b * n, j + b * n, matrices[(b * n + i) * n + j]);
  snprintf(name, sizeof name, "/n%lld", (long long)n);
  hid_t type = mpt_scalar_type(MPT_COMPLEX128), space = H5Screate_simple(3, dims, NULL);
  hid_t set = H5Dcreate(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  bool done = set >= 0 && H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, matrices) >= 0;
  if (set >= 0) H5Dclose(set);
  H5Sclose(space);
  H5Tclose(type);
  free(matrices);
  return done;
}

typedef struct workload {
  const char *name, *what;
  struct {
    int64_t n, count;
  } sets[8];
} workload;

static const workload workloads[] = {
    {"batch", "200 matrices of n = 128", {{128, 200}}},
    {"mixed",
     "n = 16 to 1024",
     {{16, 4000}, {32, 2000}, {64, 500}, {128, 100}, {256, 40}, {512, 6}, {1024, 1}}},
    {"large", "8 matrices of n = 512", {{512, 8}}},
};

static mpt_code write_input(const workload *w, const char *path, mpt_error *error) {
  hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  bool done = file >= 0;
  for (int k = 0; done && w->sets[k].count; k++)
    done = write_dataset(file, w->sets[k].n, w->sets[k].count);
  if (file >= 0 && H5Fclose(file) < 0) done = false;
  if (done) return MPT_DONE;
  return mpt_fail(error, MPT_BAD_OUTPUT,
                  "cannot write '%s': the benchmark's files need up to 1 GiB (name another "
                  "--directory)",
                  path);
}

static mpt_code run_job(MPI_Comm comm, const char *config, mpt_summary *summary, mpt_error *error) {
  mpt_config c = {0};
  mpt_code code = mpt_config_load(config, NULL, 0, &c);
  if (code != MPT_DONE) return code;
  return mpt_run_config(comm, &c, true, summary, error);
}

static char *write_config(const char *directory, mpt_error *error) {
  char *path = mpt_format("%s/multiplet-bench.yaml", directory);
  FILE *file = path ? fopen(path, "w") : NULL;
  if (file) {
    fprintf(file, "input: {file: multiplet-bench-in.h5}\noutput: {file: multiplet-bench-out.h5}\n");
    if (!fclose(file)) return path;
  }
  mpt_fail(error, MPT_BAD_OUTPUT,
           "cannot write to '%s': no permission or space (name another "
           "--directory)",
           directory);
  free(path);
  return NULL;
}

/* Alone on rank 0 and then on all ranks, so that one pair of numbers comes from one moment. */
static mpt_code measure(const workload *w, const char *config, int repeat, mpt_error *error) {
  mpt_code code = MPT_DONE;
  double ratio[64], lost[64], files[64], alone_files[64];
  int rank, ranks;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  for (int k = 0; k < repeat; k++) {
    mpt_summary one = {0}, all = {0};
    mpt_log_speaks(false);
    if (rank == 0) code = run_job(MPI_COMM_SELF, config, &one, error);
    AGREE(MPI_COMM_WORLD, code);
    TRY_COLL(run_job(MPI_COMM_WORLD, config, &all, error));
    ratio[k] = one.elapsed / all.elapsed;
    lost[k] = 100 * all.wait_seconds / (all.elapsed * ranks);
    files[k] = 100 * all.io_seconds / (all.elapsed * ranks);
    alone_files[k] = 100 * one.io_seconds / one.elapsed;
  }
  if (rank == 0)
    printf("%-8s %-26s %8.2f %10.1f %12.1f %14.1f\n", w->name, w->what, mpt_median(repeat, ratio),
           mpt_median(repeat, lost), mpt_median(repeat, files), mpt_median(repeat, alone_files));
done:
  mpt_log_speaks(rank == 0);
  return code;
}

mpt_code mpt_bench_jobs(const char *directory, int repeat, mpt_error *error) {
  mpt_code code = MPT_DONE;
  int rank, ranks;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  char *config = mpt_format("%s/multiplet-bench.yaml", directory);
  char *input = mpt_format("%s/multiplet-bench-in.h5", directory);
  char *output = mpt_format("%s/multiplet-bench-out.h5", directory);
  if (rank == 0)
    printf("\nwhole jobs, complex128, files in %s\n%-8s %-26s %6s/1 %10s %12s %14s\n", directory,
           "", "", "speed N", "waiting %", "files %", "files % alone");
  for (size_t k = 0; k < sizeof workloads / sizeof *workloads; k++) {
    if (rank == 0) {
      char *made = write_config(directory, error);
      code = made ? write_input(&workloads[k], input, error) : error->code;
      free(made);
    }
    AGREE(MPI_COMM_WORLD, code);
    TRY_COLL(measure(&workloads[k], config, repeat, error));
  }
done:
  MPI_Barrier(MPI_COMM_WORLD);
  if (rank == 0) {
    unlink(config);
    unlink(input);
    unlink(output);
  }
  free(config);
  free(input);
  free(output);
  return code;
}
