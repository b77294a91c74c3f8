/* The batch job: from HDF5 matrices to eigenpairs and gradients in HDF5. In libmultiplet-jobs. */
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

/* Runs the job of a config file (its keys: configs/README.md) on all ranks of `comm`, with
 * overrides "key=value". An unfinished result of the same job is continued unless `fresh`.
 *
 * Collective; MPI must be initialized. SIGTERM and SIGUSR1 are caught while it runs. Returns on
 * every rank MPT_DONE; MPT_SOME_FAILED if problems failed (their status says how); MPT_STOPPED
 * if it can be continued; MPT_BAD_USAGE, MPT_BAD_INPUT, MPT_BAD_OUTPUT or MPT_NO_RESOURCE with
 * *error filled (config errors are printed to standard error, and error->text is empty). */
MPT_API mpt_code mpt_run_job(MPI_Comm comm, const char *config_path, const char *const *overrides,
                             size_t override_count, int fresh, mpt_error *error);

#ifdef __cplusplus
}
#endif
#endif
