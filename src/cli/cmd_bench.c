#include "cli.h"

#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "agree.h"
#include "bench.h"
#include "blas_library.h"
#include "launch.h"
#include "plan.h"

enum { MOST_SIZES = 16, MOST_REPEATS = 64 };

typedef struct arguments {
  int64_t sizes[MOST_SIZES], block;
  int size_count, repeat;
  mpt_type type;
  const char *directory;
  bool engines, jobs;
} arguments;

enum { O_N, O_TYPE, O_BLOCK, O_REPEAT, O_PART, O_DIRECTORY };
static const mpt_option options[] = {
    [O_N] = {"--n", "N,N,...", "matrix sizes of the engines' part (default 1000,2000)"},
    [O_TYPE] = {"--type", "TYPE", "scalar type (default complex128)"},
    [O_BLOCK] = {"--block", "NB", "ScaLAPACK block size for both sides (default 32)"},
    [O_REPEAT] = {"--repeat", "R", "repetitions, of which the median counts (default 5)"},
    [O_PART] = {"--part", "PART", "engines or jobs (default: both)"},
    [O_DIRECTORY] = {"--directory", "DIR", "where the jobs' files go (default .)"},
};
static const mpt_usage usage = {
    "bench",
    "",
    "Measures this program against plain LAPACK and ScaLAPACK calls on the same matrices in the "
    "same run.\nUnder mpirun -n N the engines' part is about one matrix on N ranks.",
    options,
    sizeof options / sizeof *options,
    NULL,
};

static mpt_code bad(const char *option, const char *value, const char *want, mpt_error *error) {
  return mpt_fail(error, MPT_BAD_USAGE, "cannot use %s '%s': not %s (see bench --help)", option,
                  value, want);
}

static bool read_count(const char *text, char **end, long most, long *out) {
  *out = strtol(text, end, 10);
  return *end != text && *out > 0 && *out <= most;
}

static mpt_code read_sizes(arguments *a, const char *value, mpt_error *error) {
  long n;
  char *end;
  a->size_count = 0;
  for (const char *at = value;; at = end + 1) {
    if (!read_count(at, &end, 1000000, &n) || (*end && *end != ',') || a->size_count == MOST_SIZES)
      return bad("--n", value, "a list of sizes such as 1000,2000", error);
    a->sizes[a->size_count++] = n;
    if (!*end) return MPT_DONE;
  }
}

static mpt_code handle(void *context, int index, const char *value, mpt_error *error) {
  arguments *a = context;
  long count = 0;
  char *end;
  switch (index) {
  case O_N:
    return read_sizes(a, value, error);
  case O_TYPE:
    if (!mpt_type_from_name(value, &a->type)) return bad("--type", value, "a scalar type", error);
    return MPT_DONE;
  case O_BLOCK:
    if (!read_count(value, &end, 10000, &count) || *end)
      return bad("--block", value, "a block size", error);
    a->block = count;
    return MPT_DONE;
  case O_REPEAT:
    if (!read_count(value, &end, MOST_REPEATS, &count) || *end)
      return bad("--repeat", value, "a count from 1 to 64", error);
    a->repeat = (int)count;
    return MPT_DONE;
  case O_PART:
    a->engines = !strcmp(value, "engines");
    a->jobs = !strcmp(value, "jobs");
    return a->engines || a->jobs ? MPT_DONE : bad("--part", value, "engines or jobs", error);
  case O_DIRECTORY:
    a->directory = value;
    return MPT_DONE;
  default:
    return mpt_fail(error, MPT_BAD_USAGE,
                    "unexpected argument '%s': bench takes options only (see bench --help)", value);
  }
}

/* Plain call and engine one after the other, so that what else the machine does meets both. */
static mpt_code bench_size(const arguments *a, const mpt_team *team, int64_t n, mpt_error *error) {
  mpt_code code = MPT_DONE;
  const mpt_engine *engine = team->size > 1 ? &mpt_scalapack : &mpt_lapack;
  double bare[MOST_REPEATS], forward[MOST_REPEATS], values[MOST_REPEATS], full[MOST_REPEATS];
  double to_bare[MOST_REPEATS];
  for (int k = 0; k < a->repeat; k++) {
    mpt_engine_times t;
    double before = team->size > 1 ? mpt_bare_eigensolver(team, a->type, n, a->block)
                                   : mpt_bare_lapack(a->type, n);
    TRY_COLL(mpt_bench_engine(engine, team, a->type, n, a->block, &t, error));
    double after = team->size > 1 ? mpt_bare_eigensolver(team, a->type, n, a->block)
                                  : mpt_bare_lapack(a->type, n);
    bare[k] = (before + after) / 2;
    forward[k] = t.forward;
    to_bare[k] = t.forward / bare[k];
    values[k] = t.values_backward / t.forward;
    full[k] = t.full_backward / t.forward;
  }
  if (team->rank == 0)
    printf("%7lld %-10s %-10s %11.4f %11.4f %9.3f %14.3f %14.3f\n", (long long)n,
           mpt_type_name(a->type), engine->name, mpt_median(a->repeat, bare),
           mpt_median(a->repeat, forward), mpt_median(a->repeat, to_bare),
           mpt_median(a->repeat, values), mpt_median(a->repeat, full));
done:
  return code;
}

static mpt_code bench_engines(const arguments *a, mpt_error *error) {
  mpt_code code = MPT_DONE;
  mpt_team team = {.comm = MPI_COMM_WORLD};
  MPI_Comm_rank(team.comm, &team.rank);
  MPI_Comm_size(team.comm, &team.size);
  mpt_choose_grid(team.size, team.grid);
  if (team.grid[0] * team.grid[1] != team.size)
    return mpt_fail(error, MPT_BAD_USAGE,
                    "cannot bench on %d ranks: they make no near-square grid (run on %d)",
                    team.size, team.grid[0] * team.grid[1]);
  if (team.size == 1) team = mpt_team_of_one();
  if (team.rank == 0)
    printf("one matrix on %d x %d ranks, medians of %d; seconds of a plain call and of the engine\n"
           "%7s %-10s %-10s %11s %11s %9s %14s %14s\n",
           team.grid[0], team.grid[1], a->repeat, "n", "type", "engine", "plain", "forward",
           "ratio", "values/forward", "full/forward");
  for (int k = 0; k < a->size_count; k++) TRY_COLL(bench_size(a, &team, a->sizes[k], error));
done:
  return code;
}

static mpt_code bench(const arguments *a, mpt_error *error) {
  mpt_code code = MPT_DONE;
  int rank;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  mpt_log_speaks(rank == 0);
  mpt_blas_set_threads(1);
  if (rank == 0) printf("%s\n", mpt_blas_description());
  if (a->engines) TRY_COLL(bench_engines(a, error));
  if (a->jobs) TRY_COLL(mpt_bench_jobs(a->directory, a->repeat, error));
done:
  return code;
}

int mpt_cmd_bench(int argc, char **argv) {
  arguments a = {.sizes = {1000, 2000},
                 .size_count = 2,
                 .block = 32,
                 .repeat = 5,
                 .type = MPT_COMPLEX128,
                 .directory = ".",
                 .engines = true,
                 .jobs = true};
  mpt_error error = {0};
  bool helped = false;
  mpt_code code = mpt_parse_options(&usage, argc, argv, handle, &a, &helped, &error);
  if (code == MPT_DONE && !helped) {
    mpt_launch_mpi();
    code = bench(&a, &error);
    MPI_Finalize();
  }
  if (code != MPT_DONE) mpt_print_error(&error);
  return code;
}
