/* Very many small matrices, HDF5 to HDF5, compared with the unavoidable cost: the engine's time,
 * and the time to read and write as many bytes. */
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "mpi/agree.h"
#include "bench/bench_files.h"
#include "engine/blas_library.h"
#include "run/job.h"
#include "engine/process.h"

enum { BUFFER = 1 << 20 };

typedef struct pipeline {
  int64_t n, count;
  bool gradient;
  char *config, *input, *cotangents, *output, *copy; /* paths */
} pipeline;

/* Seconds that all ranks of a communicator take together, working at the same time. */
typedef struct times {
  double kernel, copy, end;
} times;

/* This rank's share of `count` things. */
typedef struct range {
  int64_t first, end;
} range;

static range share(MPI_Comm comm, int64_t count) {
  int rank, ranks;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &ranks);
  return (range){mpt_slab_start(count, ranks, rank), mpt_slab_start(count, ranks, rank + 1)};
}

/* The engine that a job uses, and its number of problems in a chunk. */
typedef struct chosen {
  const mpt_engine *engine;
  int64_t chunk;
} chosen;

static mpt_code ask_plan(MPI_Comm comm, const char *config, chosen *out, mpt_error *error) {
  mpt_code code = MPT_DONE;
  int ranks;
  MPI_Comm_size(comm, &ranks);
  mpt_config c = {0};
  mpt_job job = {0};
  mpt_plan plan = {0};
  TRY(mpt_config_load(config, NULL, 0, &c));
  TRY(mpt_job_open(&c, &job, error));
  const mpt_plan_request request = {.config = &job.config,
                                    .tasks = job.tasks,
                                    .count = job.input.count,
                                    .ranks = ranks,
                                    .memory = mpt_memory_share(ranks),
                                    .rate = mpt_measure_rate()};
  code = mpt_plan_make(&request, &plan, error);
  if (code == MPT_DONE) *out = (chosen){plan.tasks->engine, plan.tasks->chunk};
  mpt_plan_release(&plan);
  mpt_job_close(&job);
done:
  return code;
}

/* A batch of the benchmark's problems as a job has them, in one block of memory. */
static void *make_batch(const pipeline *p, int64_t chunk, mpt_batch *b) {
  const int64_t n = p->n, n2 = n * n, reals = 6 * n2 + 2 * n;
  const size_t each = (size_t)reals * 8 + sizeof(mpt_report) + (size_t)n * 4;
  double *memory = mpt_alloc(chunk, each), *gw = memory + chunk * (6 * n2 + n);
  if (!memory) return NULL;
  *b = (mpt_batch){.type = MPT_COMPLEX128, .n = n, .rows = n, .a = memory};
  b->v = memory + chunk * 2 * n2;
  b->g = p->gradient ? memory + chunk * 4 * n2 : NULL;
  b->w = memory + chunk * 6 * n2;
  b->gw = p->gradient ? gw : NULL;
  b->report = (mpt_report *)(memory + chunk * reals);
  b->multiplet = (int32_t *)(b->report + chunk);
  for (int64_t k = 0; k < chunk; k++) {
    mpt_bench_fill(b->type, n, n, k * n, k * n, memory + k * 2 * n2);
    mpt_bench_fill(MPT_FLOAT64, 1, n, 0, k * n, gw + k * n);
  }
  return memory;
}

/* Solves and differentiates this rank's share of the problems, with the same chunk in memory each
 * time. */
static mpt_code run_engine(MPI_Comm comm, const pipeline *p, double *seconds, mpt_error *error) {
  static const mpt_options options = {0};
  const mpt_shape shape = {
      .type = MPT_COMPLEX128, .n = p->n, .vectors = true, .backward = p->gradient};
  const mpt_team team = mpt_team_of_one();
  mpt_code code = MPT_DONE;
  mpt_batch b;
  mpt_state *state = NULL;
  void *memory = NULL;
  chosen c = {0};
  const range mine = share(comm, p->count);
  AGREE(comm, ask_plan(comm, p->config, &c, error));
  memory = make_batch(p, c.chunk, &b);
  if (!memory) code = mpt_no_memory("bench a chunk", error);
  AGREE(comm, code);
  AGREE(comm, c.engine->open(&shape, &team, &state, error));
  const double start = mpt_now();
  for (int64_t at = mine.first; at < mine.end; at += c.chunk) {
    b.count = mine.end - at < c.chunk ? mine.end - at : c.chunk;
    memset(b.report, 0, sizeof *b.report * (size_t)b.count);
    mpt_process_batch(c.engine, state, &team, &options, &b);
  }
  MPI_Barrier(comm);
  *seconds = mpt_now() - start;
done:
  if (state) c.engine->close(state);
  free(memory);
  return code;
}

static int64_t size_of(const char *path) {
  struct stat about;
  return stat(path, &about) ? 0 : (int64_t)about.st_size;
}

/* Touches as many pages as a result needs and gives them back. The first touch of a page costs a
 * virtual machine several times as much as copying to it, so this is done before each measurement,
 * and no side pays for it. */
static void touch_pages(MPI_Comm comm, const pipeline *p) {
  sync(); /* nor for earlier data that is still being written to a disk */
  const range mine = share(comm, (p->gradient ? 3 : 2) * size_of(p->input));
  const int64_t bytes = mine.end - mine.first;
  char *memory = bytes < mpt_memory_share(2) ? malloc((size_t)bytes + 1) : NULL;
  volatile char *page = memory;
  for (int64_t at = 0; memory && at < bytes; at += 4096) page[at] = 1;
  free(memory);
  MPI_Barrier(comm);
}

static bool read_range(const char *path, range r, char *buffer) {
  int file = open(path, O_RDONLY);
  ssize_t got = 1;
  for (int64_t at = r.first; file >= 0 && got > 0 && at < r.end; at += got)
    got = pread(file, buffer, (size_t)(r.end - at < BUFFER ? r.end - at : BUFFER), at);
  if (file >= 0) close(file);
  return file >= 0 && got > 0;
}

static bool write_range(const char *path, range r, const char *buffer) {
  int file = open(path, O_WRONLY | O_CREAT, 0666);
  ssize_t put = 1;
  for (int64_t at = r.first; file >= 0 && put > 0 && at < r.end; at += put)
    put = pwrite(file, buffer, (size_t)(r.end - at < BUFFER ? r.end - at : BUFFER), at);
  if (file >= 0 && close(file)) put = -1;
  return file >= 0 && put > 0;
}

/* Reads and writes as many bytes as the job does, each rank its share. */
static mpt_code copy_bytes(MPI_Comm comm, const pipeline *p, double *seconds, mpt_error *error) {
  mpt_code code = MPT_DONE;
  char *buffer = mpt_alloc(1, BUFFER);
  unlink(p->copy);
  touch_pages(comm, p);
  const double start = mpt_now();
  bool done = buffer && read_range(p->input, share(comm, size_of(p->input)), buffer);
  if (done && p->gradient)
    done = read_range(p->cotangents, share(comm, size_of(p->cotangents)), buffer);
  done = done && write_range(p->copy, share(comm, size_of(p->output)), buffer);
  MPI_Barrier(comm);
  *seconds = mpt_now() - start;
  free(buffer);
  if (!done) code = mpt_bench_no_room(p->copy, error);
  return mpt_agree(comm, code, error);
}

static mpt_code measure(MPI_Comm comm, const pipeline *p, times *t, mpt_error *error) {
  mpt_code code = MPT_DONE;
  mpt_summary ignored;
  unlink(p->output);
  touch_pages(comm, p);
  const double start = mpt_now();
  TRY_COLL(mpt_bench_run(comm, p->config, NULL, &ignored, error));
  t->end = mpt_now() - start;
  t->copy = INFINITY; /* of three copies: they meet new pages more often than the job does */
  for (int k = 0; k < 3; k++) {
    double copy;
    TRY_COLL(copy_bytes(comm, p, &copy, error));
    t->copy = fmin(t->copy, copy);
  }
  TRY_COLL(run_engine(comm, p, &t->kernel, error));
done:
  return code;
}

/* Measures one row of medians. */
static mpt_code measure_often(MPI_Comm comm, const pipeline *p, int repeat, mpt_error *error) {
  mpt_code code = MPT_DONE;
  double all[5][MPT_MOST_REPEATS];
  int rank, ranks;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &ranks);
  mpt_log_speaks(false);
  for (int k = 0; k < repeat; k++) {
    times t;
    TRY_COLL(measure(comm, p, &t, error));
    all[0][k] = t.kernel;
    all[1][k] = t.copy;
    all[2][k] = t.end;
    all[3][k] = t.end / (t.kernel + t.copy);
    all[4][k] = (t.end - t.copy) / t.kernel;
  }
  if (rank == 0)
    printf("%-22s %5d %9.4g %9.4g %9.4g %18.2f %18.2f\n",
           p->gradient ? "eigenvalue cotangents" : "forward", ranks, mpt_median(repeat, all[0]),
           mpt_median(repeat, all[1]), mpt_median(repeat, all[2]), mpt_median(repeat, all[3]),
           mpt_median(repeat, all[4]));
done:
  return code;
}

static mpt_code write_files(const pipeline *p, mpt_error *error) {
  mpt_code code = MPT_DONE;
  hid_t input = H5I_INVALID_HID, cotangents = H5I_INVALID_HID;
  TRY(mpt_bench_config(p->config,
                       p->gradient ? "gradient: {cotangents: multiplet-bench-cotangents.h5}\n" : "",
                       error));
  if (!p->gradient) {
    input = mpt_bench_create(p->input);
    TRY(mpt_bench_write(input, "/H", true, p->n, p->count, p->input, error));
  } else {
    cotangents = mpt_bench_create(p->cotangents);
    TRY(mpt_bench_write(cotangents, "/H/eigenvalues", false, p->n, p->count, p->cotangents, error));
  }
done:
  if (input >= 0) H5Fclose(input);
  if (cotangents >= 0) H5Fclose(cotangents);
  return code;
}

static mpt_code bench_pass(const pipeline *p, int repeat, mpt_error *error) {
  mpt_code code = MPT_DONE;
  int rank, ranks;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  AGREE(MPI_COMM_WORLD, rank == 0 ? write_files(p, error) : MPT_DONE);
  AGREE(MPI_COMM_WORLD, rank == 0 ? measure_often(MPI_COMM_SELF, p, repeat, error) : MPT_DONE);
  if (ranks > 1) TRY_COLL(measure_often(MPI_COMM_WORLD, p, repeat, error));
done:
  mpt_log_speaks(rank == 0);
  return code;
}

mpt_code mpt_bench_pipeline(const char *directory, int64_t n, int64_t count, int repeat,
                            mpt_error *error) {
  static const char *const names[] = {".yaml", "-in.h5", "-cotangents.h5", "-out.h5", "-copy"};
  mpt_code code = MPT_DONE;
  pipeline p = {.n = n, .count = count};
  char **const paths[] = {&p.config, &p.input, &p.cotangents, &p.output, &p.copy};
  enum { PATHS = sizeof paths / sizeof *paths };
  _Static_assert(sizeof names / sizeof *names == PATHS, "a file has no name");
  int rank;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  for (int k = 0; k < PATHS; k++) {
    *paths[k] = mpt_format("%s/multiplet-bench%s", directory, names[k]);
    if (!*paths[k]) code = mpt_no_memory("bench", error);
  }
  AGREE(MPI_COMM_WORLD, code);
  if (rank == 0)
    printf("\n%lld complex128 matrices of n = %lld, HDF5 to HDF5, medians of %d, seconds; files in "
           "%s\n%-22s %5s %9s %9s %9s %18s %18s\n",
           (long long)count, (long long)n, repeat, directory, "", "ranks", "kernel", "copy", "end",
           "end/(kernel+copy)", "(end-copy)/kernel");
  TRY_COLL(bench_pass(&p, repeat, error));
  p.gradient = true;
  TRY_COLL(bench_pass(&p, repeat, error));
done:
  MPI_Barrier(MPI_COMM_WORLD);
  for (int k = 0; k < 5; k++) {
    if (rank == 0 && *paths[k]) unlink(*paths[k]);
    free(*paths[k]);
  }
  return code;
}
