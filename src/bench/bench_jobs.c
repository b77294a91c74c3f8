/* Whole jobs, HDF5 to HDF5: two ranks (or more) compared with one, and the cost of waiting, files
 * and run.sync. */
#include "bench/bench_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "mpi/agree.h"

typedef struct workload {
  const char *name, *what;
  struct {
    int64_t n, count;
  } sets[8];
} workload;

static const workload workloads[] = {
    {"brief", "100 matrices of n = 8", {{8, 100}}},
    {"batch", "1000 matrices of n = 128", {{128, 1000}}},
    {"mixed",
     "n = 16 to 1024",
     {{16, 4000}, {32, 2000}, {64, 500}, {128, 100}, {256, 40}, {512, 6}, {1024, 1}}},
    {"large", "8 matrices of n = 512", {{512, 8}}},
};

static mpt_code write_input(const workload *w, const char *path, mpt_error *error) {
  mpt_code code = MPT_DONE;
  hid_t file = mpt_bench_create(path);
  for (int k = 0; w->sets[k].count && code == MPT_DONE; k++) {
    char name[32];
    snprintf(name, sizeof name, "/n%lld", (long long)w->sets[k].n);
    code = mpt_bench_write(file, name, true, w->sets[k].n, w->sets[k].count, path, error);
  }
  if (file >= 0) H5Fclose(file);
  return code;
}

/* Runs on rank 0 alone and then on all ranks, in each repetition, so that both numbers of a pair
 * are measured at about the same time. */
static mpt_code measure(const workload *w, const char *config, int repeat, mpt_error *error) {
  mpt_code code = MPT_DONE;
  double ratio[64], lost[64], files[64], alone_files[64], synced[64];
  int rank, ranks;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  for (int k = 0; k < repeat; k++) {
    mpt_summary one = {0}, all = {0}, off = {0};
    mpt_log_speaks(false);
    if (rank == 0) code = mpt_bench_run(MPI_COMM_SELF, config, NULL, &one, error);
    if (rank == 0 && code == MPT_DONE)
      code = mpt_bench_run(MPI_COMM_SELF, config, "run.sync=off", &off, error);
    AGREE(MPI_COMM_WORLD, code);
    TRY_COLL(mpt_bench_run(MPI_COMM_WORLD, config, NULL, &all, error));
    ratio[k] = one.elapsed / all.elapsed;
    lost[k] = 100 * all.wait_seconds / (all.elapsed * ranks);
    files[k] = 100 * all.io_seconds / (all.elapsed * ranks);
    alone_files[k] = 100 * one.io_seconds / one.elapsed;
    synced[k] = 1e3 * (one.elapsed - off.elapsed);
  }
  if (rank == 0)
    printf("%-8s %-26s %8.2f %10.1f %12.1f %14.1f %12.1f\n", w->name, w->what,
           mpt_median(repeat, ratio), mpt_median(repeat, lost), mpt_median(repeat, files),
           mpt_median(repeat, alone_files), mpt_median(repeat, synced));
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
    printf("\nwhole jobs, complex128, files in %s\n%-8s %-26s %6s/1 %10s %12s %14s %12s\n",
           directory, "", "", "speed N", "waiting %", "files %", "files % alone", "sync, ms");
  for (size_t k = 0; k < sizeof workloads / sizeof *workloads; k++) {
    if (rank == 0) {
      code = mpt_bench_config(config, "", error);
      if (code == MPT_DONE) code = write_input(&workloads[k], input, error);
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
