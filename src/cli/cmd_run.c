/* multiplet run */
#include "cli/cli.h"

#include <mpi.h>
#include <stdlib.h>
#include "cli/launch.h"
#include "run/run.h"
#include "run/stop.h"

static const mpt_option options[] = {
    {"--set", "key=value", "override one key of the config, for example run.threads=2"},
    {"--fresh", NULL, "start over instead of continuing an unfinished result"},
};
static const mpt_usage usage = {
    "run",
    "CONFIG.yaml",
    "Reads matrices, solves, differentiates, writes the result file. Runs under mpirun or srun, "
    "and "
    "alone.\nAn unfinished result of the same config and input is continued.",
    options,
    sizeof options / sizeof *options,
    NULL,
};

typedef struct arguments {
  mpt_config_arguments config;
  bool fresh;
} arguments;

static mpt_code handle(void *context, int index, const char *value, mpt_error *error) {
  arguments *a = context;
  if (index < 0) return mpt_take_config_path(&a->config, value, error);
  if (index == 0) return mpt_take_override(&a->config, value, error);
  a->fresh = true;
  return MPT_DONE;
}

int mpt_cmd_run(int argc, char **argv) {
  arguments a = {0};
  mpt_error error = {0};
  mpt_config config = {0};
  bool helped = false;
  int rank;
  mpt_code code = mpt_parse_options(&usage, argc, argv, handle, &a, &helped, &error);
  if (code == MPT_DONE && !helped) code = mpt_load_config(&a.config, &config, &error);
  free(a.config.overrides);
  if (code != MPT_DONE && error.text[0]) mpt_print_error(&error);
  if (code != MPT_DONE || helped) return code;
  if (mpt_launch_mpi(&error) != MPT_DONE) return MPT_BAD_USAGE;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  mpt_log_speaks(rank == 0);
  mpt_stop_install();
  code = mpt_run_config(MPI_COMM_WORLD, &config, a.fresh, NULL, NULL, &error);
  if (code != MPT_DONE && code != MPT_SOME_FAILED && code != MPT_STOPPED) mpt_print_error(&error);
  mpt_launch_end();
  return code;
}
