/* The batch job: from HDF5 matrices to eigenpairs and gradients in HDF5. In libmultiplet-jobs.
 *
 *   const mpt_job_options options = {.size = sizeof options, .listener = log_line};
 *   mpt_code code = mpt_run_job(MPI_COMM_WORLD, "job.yaml", &options, &error);
 */
#ifndef MULTIPLET_JOB_H
#define MULTIPLET_JOB_H

#include <mpi.h>
#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Forks a process that looks at files before jobs open them. A damaged file on which libhdf5
 * crashes, or never returns, is then an error (MPT_BAD_INPUT) and not the end of the program. Each
 * process calls this once, before MPI_Init; afterwards it does nothing. Without it jobs run
 * unguarded. The forked process ends with its parent. */
MPT_API void mpt_lookout_start(void);

/* How a job is run. All zeros but `size` are the defaults; mpt_options in multiplet/eigh.h says
 * what sizes are for. */
typedef struct mpt_job_options {
  size_t size;                  /* sizeof(mpt_job_options) */
  const char *const *overrides; /* [override_count], "key=value" each, after the config's keys */
  size_t override_count;
  int fresh; /* start over instead of continuing an unfinished result of the same job */

  /* Gets what is printed to standard error otherwise, line by line: notes, warnings, progress,
   * errors in the config. NULL: it is printed. Called within mpt_run_job, by the thread that called
   * that, on rank 0 (debug lines: on every rank). It must return, and start no job. */
  mpt_listener *listener;
  void *context; /* the listener's first argument */

  int *signals; /* unless NULL, becomes how many SIGTERM and SIGUSR1 came to this rank meanwhile */
} mpt_job_options;

/* Runs the job of a config file (its keys: configs/README.md) on all ranks of `comm`. An unfinished
 * result of the same job is continued. options NULL: defaults. *error may be NULL.
 *
 * Collective over `comm`, which is an intracommunicator; all ranks give the same config and
 * options, but for the listener and what is its own. MPI must be initialized. One job at a time in
 * a process; below MPI_THREAD_MULTIPLE by the thread that may call MPI.
 *
 * Returns on every rank MPT_DONE; MPT_SOME_FAILED if problems failed (their status says how);
 * MPT_STOPPED if SIGTERM or SIGUSR1 came to any rank, and the same call continues the job;
 * MPT_BAD_USAGE, MPT_BAD_INPUT, MPT_BAD_OUTPUT or MPT_NO_RESOURCE with *error filled. Errors in
 * the config, of which there may be several, are printed or told to the listener; error->text is
 * empty then.
 *
 * What a caller may rely on, whatever it returns:
 * - Messages of the job travel on a duplicate of `comm`, which is freed. The duplicate's error
 *   handler is MPI_ERRORS_ARE_FATAL, that of `comm` stays as it is.
 * - SIGTERM and SIGUSR1 are caught while it runs, and have the handlers of before afterwards. A
 *   signal that came is forgotten: the next call runs to its end.
 * - HDF5's automatic printing of errors is off while it runs. It and the error stack are the
 *   caller's again afterwards, and no file, dataset or property list is left open. HDF5 stays open.
 * - Threads of BLAS and OpenMP (the config's run.threads), the floating-point environment and the
 *   thread's locale (the job has C's) are set while it runs, and those of before afterwards.
 * - Environment, working directory, umask, signal masks and standard streams are not touched.
 *   SIGXFSZ is the caller's to ignore (`multiplet run` does) where file sizes are limited. */
MPT_API mpt_code mpt_run_job(MPI_Comm comm, const char *config_path, const mpt_job_options *options,
                             mpt_error *error);

#ifdef __cplusplus
}
#endif
#endif
