/* multiplet check */
#include "cli/cli.h"
#include "mpi/agree.h"
#include "check/check.h"
#include "cli/check_report.h"
#include "cli/launch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef struct request {
  const char *path;
  const char *gradients; /* as written; NULL: not asked for */
  int64_t wanted;
} request;

static const mpt_option options[] = {
    {"--gradients", "K",
     "also compare the gradients and all other outputs of K problems, spread evenly"},
};

static const mpt_usage usage = {
    "check",
    "RESULT.h5",
    "Recompute residuals and orthogonality of a result from its input, and its outputs from the "
    "matrices.",
    options,
    1,
    "Runs alone or under mpirun; the ranks share the work. Both measures are over all columns, in "
    "units of n eps; 30 is the largest value accepted. Exits with 0 when all is within bounds, "
    "else with 4.\n"};

static mpt_code take_argument(void *context, int index, const char *value, mpt_error *error) {
  request *r = context;
  const char **into = index == 0 ? &r->gradients : &r->path;
  if (*into)
    return mpt_fail(error, MPT_BAD_USAGE, "cannot use '%.64s': %s already (give one)", value,
                    index == 0 ? "--gradients is given" : "a result file is given");
  *into = value;
  return MPT_DONE;
}

static mpt_code read_request(request *r, mpt_error *error) {
  const char *text = r->gradients;
  char *end;
  if (!r->path)
    return mpt_fail(error, MPT_BAD_USAGE,
                    "no result file: nothing to check (multiplet check RESULT.h5)");
  if (!text) return MPT_DONE;
  errno = 0;
  r->wanted = strtoll(text, &end, 10);
  if (*text && strspn(text, "0123456789") == strlen(text) && !errno && r->wanted > 0)
    return MPT_DONE;
  return mpt_fail(error, MPT_BAD_USAGE,
                  "cannot use '%.64s' for --gradients: not a count (give an integer of at least 1)",
                  text);
}

/* Collective; the code is the same on all ranks. */
static mpt_code check(const request *r, mpt_error *error) {
  mpt_code code;
  mpt_check c;
  mpt_check_samples samples = {0};
  TRY_COLL(mpt_check_open(MPI_COMM_WORLD, r->path, &c, error));
  TRY_COLL(mpt_check_solutions(&c, error));
  if (r->wanted) TRY_COLL(mpt_check_gradients(&c, r->wanted, &samples, error));
  if (c.rank == 0) code = mpt_report_check(&c, r->wanted ? &samples : NULL, error);
  AGREE(MPI_COMM_WORLD, code);
done:
  free(samples.items);
  mpt_check_close(&c);
  return code;
}

int mpt_cmd_check(int argc, char **argv) {
  mpt_code code;
  int rank;
  bool helped = false;
  mpt_error problem = {0}, *error = &problem;
  request r = {0};
  TRY(mpt_parse_options(&usage, argc, argv, take_argument, &r, &helped, error));
  if (helped) return MPT_DONE;
  TRY(read_request(&r, error));
  if (mpt_launch_mpi(error) != MPT_DONE) return MPT_BAD_USAGE;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  mpt_log_speaks(rank == 0);
  code = check(&r, error);
  if (code != MPT_DONE && code != MPT_SOME_FAILED) mpt_print_error(error);
  mpt_launch_end();
  return code;
done:
  mpt_print_error(error);
  return code;
}
