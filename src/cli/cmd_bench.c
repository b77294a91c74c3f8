/* multiplet bench */
#include "cli/cli.h"

#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "mpi/agree.h"
#include "bench/bench.h"
#include "engine/blas_library.h"
#include "cli/launch.h"
#include "plan/plan.h"
#include "engine/scalapack/mpi_team.h"

enum { ENGINES = 1, JOBS = 2, LANES = 4, PIPELINE = 8, SELECT = 16 };
static const char *const part_names[] = {"engines", "jobs", "lanes", "pipeline", "select"};
_Static_assert(SELECT == 1 << (sizeof part_names / sizeof *part_names - 1), "a part has no name");

typedef struct arguments {
  int64_t sizes[MPT_MOST_SIZES], block, count;
  int size_count, repeat; /* no sizes: each part has its own */
  mpt_type type;
  bool typed; /* the user asked for one type */
  const char *directory;
  int parts;
} arguments;

enum { O_N, O_TYPE, O_BLOCK, O_REPEAT, O_PART, O_ISA, O_COUNT, O_DIRECTORY, O_OPTIONS };
static const mpt_option options[] = {
    [O_N] =
        {"--n", "N,N,...",
         "matrix sizes (engines: default 1000,2000; select: 2000; lanes: 2 to 160; pipeline: 8)"},
    [O_TYPE] = {"--type", "TYPE", "scalar type (engines: default complex128; lanes: all four)"},
    [O_BLOCK] = {"--block", "NB", "ScaLAPACK block size for both sides (default 32)"},
    [O_REPEAT] = {"--repeat", "R", "repetitions, of which the median counts (default 5)"},
    [O_PART] = {"--part", "PART",
                "engines, jobs, lanes, pipeline or select (default: the first two)"},
    [O_ISA] = {"--isa", "NAME", "instruction set of lanes: generic, avx2 or avx512"},
    [O_COUNT] = {"--count", "B", "matrices of the pipeline's part (default 1000000)"},
    [O_DIRECTORY] = {"--directory", "DIR", "where the jobs' files go (default .)"},
};
_Static_assert(sizeof options / sizeof *options == O_OPTIONS, "an option has no row");
static const mpt_usage usage = {
    "bench",
    "",
    "Measures this program against plain LAPACK and ScaLAPACK calls on the same matrices in the "
    "same run.",
    options,
    sizeof options / sizeof *options,
    "parts:\n"
    "  engines   one matrix on all ranks\n"
    "  jobs      whole jobs, HDF5 to HDF5, on all ranks and on one\n"
    "  lanes     many small matrices on one rank\n"
    "  pipeline  very many small matrices, HDF5 to HDF5, against copying the files\n"
    "  select    the lowest tenth of one matrix's eigenpairs on all ranks, against all of them\n",
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
    if (!read_count(at, &end, 1000000, &n) || (*end && *end != ',') ||
        a->size_count == MPT_MOST_SIZES)
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
    a->typed = mpt_type_from_name(value, &a->type);
    if (!a->typed) return bad("--type", value, "a scalar type", error);
    return MPT_DONE;
  case O_BLOCK:
    if (!read_count(value, &end, 10000, &count) || *end)
      return bad("--block", value, "a block size", error);
    a->block = count;
    return MPT_DONE;
  case O_REPEAT:
    if (!read_count(value, &end, MPT_MOST_REPEATS, &count) || *end)
      return bad("--repeat", value, "a count from 1 to 64", error);
    a->repeat = (int)count;
    return MPT_DONE;
  case O_PART:
    a->parts = 0;
    for (size_t k = 0; k < sizeof part_names / sizeof *part_names; k++)
      if (!strcmp(value, part_names[k])) a->parts = 1 << k;
    return a->parts ? MPT_DONE
                    : bad("--part", value, "engines, jobs, lanes, pipeline or select", error);
  case O_ISA:
    if (mpt_bench_use_isa(value)) return MPT_DONE;
    return bad("--isa", value, "generic, avx2 or avx512, or not in this processor", error);
  case O_COUNT:
    if (!read_count(value, &end, 1000000000, &count) || *end)
      return bad("--count", value, "a count of matrices", error);
    a->count = count;
    return MPT_DONE;
  case O_DIRECTORY:
    a->directory = value;
    return MPT_DONE;
  }
  return mpt_fail(error, MPT_BAD_USAGE,
                  "unexpected argument '%s': bench takes options only (see bench --help)", value);
}

/* Times the plain call and the engine one after the other, so that other load on the machine
 * affects both. */
static mpt_code bench_size(const arguments *a, const mpt_team *team, int64_t n, mpt_error *error) {
  mpt_code code = MPT_DONE;
  const mpt_engine *engine = team->size > 1 ? mpt_engine_for_team() : &mpt_lapack;
  double bare[MPT_MOST_REPEATS], forward[MPT_MOST_REPEATS], values[MPT_MOST_REPEATS],
      full[MPT_MOST_REPEATS];
  double to_bare[MPT_MOST_REPEATS];
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

/* A team of all ranks for one matrix. */
static mpt_code whole_team(mpt_team *team, mpt_error *error) {
  *team = mpt_mpi_team(MPI_COMM_WORLD);
  mpt_choose_grid(team->size, team->grid);
  if (team->grid[0] * team->grid[1] != team->size)
    return mpt_fail(error, MPT_BAD_USAGE,
                    "cannot bench on %d ranks: they make no near-square grid (run on %d)",
                    team->size, team->grid[0] * team->grid[1]);
  return MPT_DONE;
}

static mpt_code bench_engines(const arguments *a, mpt_error *error) {
  mpt_code code = MPT_DONE;
  mpt_team team;
  TRY_COLL(whole_team(&team, error));
  if (team.rank == 0)
    printf("one matrix on %d x %d ranks, medians of %d; seconds of a plain call and of the engine\n"
           "%7s %-10s %-10s %11s %11s %9s %14s %14s\n",
           team.grid[0], team.grid[1], a->repeat, "n", "type", "engine", "plain", "forward",
           "ratio", "values/forward", "full/forward");
  static const int64_t usual[] = {1000, 2000};
  const int64_t *sizes = a->size_count ? a->sizes : usual;
  const int count = a->size_count ? a->size_count : 2;
  for (int k = 0; k < count; k++) TRY_COLL(bench_size(a, &team, sizes[k], error));
done:
  return code;
}

static mpt_code bench_select(const arguments *a, mpt_error *error) {
  mpt_code code = MPT_DONE;
  mpt_team team;
  TRY_COLL(whole_team(&team, error));
  if (team.rank == 0)
    printf("the lowest tenth of the eigenpairs against all, on %d x %d ranks, medians of %d;\n"
           "backward: in the same pass, in a second one that reduces A again, in one that is given "
           "Q and T\n"
           "%7s %7s %-10s %-10s %11s %13s %14s %9s %9s %9s\n",
           team.grid[0], team.grid[1], a->repeat, "n", "k", "type", "engine", "all: forward",
           "back/forward", "k/all: forward", "backward", "again", "given");
  for (int k = 0; k < (a->size_count ? a->size_count : 1); k++)
    TRY_COLL(mpt_bench_select(team.size > 1 ? mpt_engine_for_team() : &mpt_lapack, &team, a->type,
                              a->size_count ? a->sizes[k] : 2000, a->block, a->repeat, error));
done:
  return code;
}

static mpt_code bench_lanes(const arguments *a, mpt_error *error) {
  static const int64_t usual[] = {2, 4, 8, 16, 24, 32, 48, 64, 80, 96, 128, 160};
  const mpt_lanes_bench what = {.first = a->typed ? a->type : 0,
                                .last = a->typed ? a->type : MPT_TYPE_COUNT - 1,
                                .sizes = a->size_count ? a->sizes : usual,
                                .size_count = a->size_count ? a->size_count
                                                            : (int)(sizeof usual / sizeof *usual),
                                .repeat = a->repeat};
  return mpt_bench_lanes(&what, error);
}

static mpt_code bench(const arguments *a, mpt_error *error) {
  mpt_code code = MPT_DONE;
  int rank;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  mpt_log_speaks(rank == 0);
  mpt_blas_set_threads(1);
  if (rank == 0) printf("%s\n", mpt_blas_description());
  if (a->parts & ENGINES) TRY_COLL(bench_engines(a, error));
  if (a->parts & SELECT) TRY_COLL(bench_select(a, error));
  if (a->parts & JOBS) TRY_COLL(mpt_bench_jobs(a->directory, a->repeat, error));
  if (a->parts & LANES) AGREE(MPI_COMM_WORLD, rank == 0 ? bench_lanes(a, error) : MPT_DONE);
  for (int k = 0; a->parts & PIPELINE && k < (a->size_count ? a->size_count : 1); k++)
    TRY_COLL(mpt_bench_pipeline(a->directory, a->size_count ? a->sizes[k] : 8, a->count, a->repeat,
                                error));
done:
  return code;
}

int mpt_cmd_bench(int argc, char **argv) {
  arguments a = {.block = 32,
                 .count = 1000000,
                 .repeat = 5,
                 .type = MPT_COMPLEX128,
                 .directory = ".",
                 .parts = ENGINES | JOBS};
  mpt_error error = {0};
  bool helped = false;
  mpt_code code = mpt_parse_options(&usage, argc, argv, handle, &a, &helped, &error);
  if (code == MPT_DONE && !helped) {
    if (mpt_launch_mpi(&error) != MPT_DONE) return MPT_BAD_USAGE;
    code = bench(&a, &error);
    if (code != MPT_DONE) mpt_print_error(&error);
    mpt_launch_end();
  } else if (code != MPT_DONE) {
    mpt_print_error(&error);
  }
  return code;
}
