/* multiplet serve */
#include "cli/cli.h"

#include <mpi.h>
#include <stdlib.h>
#include "cli/launch.h"
#include "serve/serve.h"

static const mpt_option options[] = {
    {"--shared", NULL, "serve a spool that other users can write to, too"},
};
static const mpt_usage usage = {
    "serve",
    "SPOOL",
    "Answers requests until told to stop. Runs under mpirun or srun, and alone.",
    options,
    sizeof options / sizeof *options,
    "Rename a config to SPOOL/inbox/NAME.yaml to request it; its paths are relative to SPOOL. When "
    "its result is complete, the request moves to SPOOL/done or SPOOL/failed, with its outcome "
    "added. Small requests that wait at the same time are solved as one batch. Eigenpairs stay in "
    "memory for a second pass (gradient.eigenpairs). The file SPOOL/stop or SIGTERM ends the "
    "service after the current request. After a restart the service continues with the remaining "
    "requests. SPOOL/status.json is renewed every second.\n",
};

typedef struct arguments {
  const char *spool;
  bool shared;
} arguments;

static mpt_code handle(void *context, int index, const char *value, mpt_error *error) {
  arguments *a = context;
  if (index == 0) {
    a->shared = true;
    return MPT_DONE;
  }
  if (a->spool)
    return mpt_fail(error, MPT_BAD_USAGE,
                    "unexpected argument '%s': the spool is '%s' already (give one directory)",
                    value, a->spool);
  a->spool = value;
  return MPT_DONE;
}

int mpt_cmd_serve(int argc, char **argv) {
  arguments a = {0};
  mpt_error error = {0};
  bool helped = false;
  int rank;
  mpt_code code = mpt_parse_options(&usage, argc, argv, handle, &a, &helped, &error);
  if (code == MPT_DONE && !helped && !a.spool)
    code = mpt_fail(&error, MPT_BAD_USAGE, "no spool: serve where? (give a directory)");
  if (code != MPT_DONE) mpt_print_error(&error);
  if (code != MPT_DONE || helped) return code;
  /* Ranks that wait for each other leave their cores to the clients. */
  setenv("OMPI_MCA_mpi_yield_when_idle", "1", 0);
  if (mpt_launch_mpi(&error) != MPT_DONE) return MPT_BAD_USAGE;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  mpt_log_speaks(rank == 0);
  code = mpt_serve(MPI_COMM_WORLD, a.spool, a.shared, &error);
  if (code != MPT_DONE && code != MPT_STOPPED) mpt_print_error(&error);
  mpt_launch_end();
  return code;
}
