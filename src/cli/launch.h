/* Code shared by subcommands that take a config or run under MPI. */
#ifndef MPT_LAUNCH_H
#define MPT_LAUNCH_H

#include "cli/cli.h"
#include "config/config.h"

/* This process's rank before MPI_Init, from the launcher's environment; 0 when there is no
 * launcher. For errors that are to be printed once. */
int mpt_launch_rank(void);

/* MPI_Init, with defaults that suit the result file unless the user's environment sets others.
 * MPT_BAD_USAGE, printed and with MPI ended, when a launcher has started several processes and MPI
 * sees only one: each process would do the whole job. */
mpt_code mpt_launch_mpi(mpt_error *error);

/* MPI_Finalize, after everything printed has been passed on. mpirun ends the job at the first rank
 * that exits with an error, which may be another rank than the one that prints the error. */
void mpt_launch_end(void);

/* The same for an error before mpt_launch_mpi. Ranks that do not print exit some time after the one
 * that does; mpirun has ended them by then, unless rank 0 did not fail. In that case nobody has
 * printed this rank's error, and this rank prints it. */
void mpt_launch_let_speak(void);

/* CONFIG.yaml [--set key=value]... */
typedef struct mpt_config_arguments {
  const char *path;
  const char **overrides; /* freed by the caller */
  size_t count;
} mpt_config_arguments;

mpt_code mpt_take_config_path(mpt_config_arguments *arguments, const char *value, mpt_error *error);
mpt_code mpt_take_override(mpt_config_arguments *arguments, const char *value, mpt_error *error);

/* Calls mpt_config_load; an error when there is no path. */
mpt_code mpt_load_config(const mpt_config_arguments *arguments, mpt_config *config,
                         mpt_error *error);

#endif
