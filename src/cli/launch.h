/* What subcommands that take a config, or run under MPI, have in common. */
#ifndef MPT_LAUNCH_H
#define MPT_LAUNCH_H

#include "cli/cli.h"
#include "config/config.h"

/* This process's rank as the launcher's environment tells it, before MPI_Init: 0 when there is no
 * launcher. For errors that are printed once. */
int mpt_launch_rank(void);

/* MPI_Init, with defaults that suit the result file unless the user's environment says otherwise.
 * MPT_BAD_USAGE, printed and with MPI ended, when a launcher says that it started this process as
 * one of several and MPI does not: each of them would do the whole job. */
mpt_code mpt_launch_mpi(mpt_error *error);

/* MPI_Finalize, once everything printed is on its way: mpirun ends the job at the first rank that
 * exits with an error, and that need not be the one that speaks. */
void mpt_launch_end(void);

/* The same for an error before mpt_launch_mpi: ranks that do not speak leave some time after the
 * one that does. By then mpirun has ended them, unless rank 0 did not fail: what this rank has to
 * say is news, and it says it. */
void mpt_launch_let_speak(void);

/* CONFIG.yaml [--set key=value]... */
typedef struct mpt_config_arguments {
  const char *path;
  const char **overrides; /* freed by the caller */
  size_t count;
} mpt_config_arguments;

mpt_code mpt_take_config_path(mpt_config_arguments *arguments, const char *value, mpt_error *error);
mpt_code mpt_take_override(mpt_config_arguments *arguments, const char *value, mpt_error *error);

/* mpt_config_load, or an error when there is no path. */
mpt_code mpt_load_config(const mpt_config_arguments *arguments, mpt_config *config,
                         mpt_error *error);

#endif
