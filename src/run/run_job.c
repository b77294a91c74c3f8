/* mpt_run_job: a job inside another program's process. */
#include <multiplet/job.h>

#include "mpi/agree.h"
#include "run/caller.h"
#include "run/run.h"

_Static_assert(offsetof(mpt_job_options, signals) + sizeof(int *) == sizeof(mpt_job_options),
               "a structure of the interface ends with padding");

static mpt_code refuse(const char *argument, mpt_error *error) {
  return mpt_fail(error, MPT_BAD_USAGE, "cannot start: bad argument, %s (see multiplet/job.h)",
                  argument);
}

/* Duplicates the communicator. Where some rank fails to, the other ranks' duplicates cannot be
 * freed. Collective and agreed. */
static mpt_code duplicate(MPI_Comm comm, MPI_Comm *own, mpt_error *error) {
  mpt_code code = MPT_DONE;
  int running = 0, ended = 1, between = 0;
  MPI_Initialized(&running);
  if (running) MPI_Finalized(&ended);
  if (ended)
    return mpt_fail(error, MPT_BAD_USAGE,
                    "cannot start: MPI is not initialized (call MPI_Init before, and MPI_Finalize "
                    "after it)");
  if (comm == MPI_COMM_NULL) return refuse("comm is MPI_COMM_NULL", error);
  MPI_Comm_test_inter(comm, &between);
  if (between) return refuse("comm is an intercommunicator", error);
  if (MPI_Comm_dup(comm, own) != MPI_SUCCESS)
    code = mpt_fail(error, MPT_NO_RESOURCE,
                    "cannot start: MPI has no communicator left (free some with MPI_Comm_free)");
  AGREE(comm, code);
  MPI_Comm_set_errhandler(*own, MPI_ERRORS_ARE_FATAL); /* jobs do not check MPI's codes */
done:
  return code;
}

static mpt_code take_arguments(const char *config_path, const mpt_job_options *his,
                               mpt_job_options *mine, mpt_error *error) {
  if (!config_path) return refuse("config_path", error);
  if (his && !mpt_receive(his, mine, sizeof *mine)) return refuse("options.size", error);
  for (size_t k = 0; k < mine->override_count; k++)
    if (!mine->overrides || !mine->overrides[k]) return refuse("options.overrides", error);
  return MPT_DONE;
}

/* Loads the config and runs the job. Rank 0 has printed its own errors; an error of other ranks
 * only is returned by the call. Collective. */
static mpt_code load_and_run(MPI_Comm comm, int rank, const char *config_path,
                             const mpt_job_options *o, mpt_error *error) {
  mpt_config config = {0};
  mpt_code code = mpt_config_load(config_path, o->overrides, o->override_count, &config);
  if (rank != 0 && code != MPT_DONE) mpt_take_held_error(error);
  AGREE(comm, code);
  return mpt_run_config(comm, &config, o->fresh, NULL, NULL, error);
done:
  mpt_config_release(&config);
  return code;
}

mpt_code mpt_run_job(MPI_Comm comm, const char *config_path, const mpt_job_options *options,
                     mpt_error *error) {
  mpt_code code = MPT_DONE;
  mpt_error unwanted;
  mpt_job_options mine = {0};
  mpt_caller caller;
  MPI_Comm own;
  int rank;
  if (!error) error = &unwanted;
  *error = (mpt_error){.code = MPT_DONE};
  TRY_COLL(duplicate(comm, &own, error));
  MPI_Comm_rank(own, &rank);
  code = mpt_agree(own, take_arguments(config_path, options, &mine, error), error);
  if (code == MPT_DONE) {
    mpt_caller_leave(&caller, (mpt_log){rank == 0, rank, mine.listener, mine.context});
    code = load_and_run(own, rank, config_path, &mine, error);
    const int signals = mpt_caller_return(&caller);
    if (mine.signals) *mine.signals = signals;
  }
  MPI_Comm_free(&own);
done:
  return code;
}
