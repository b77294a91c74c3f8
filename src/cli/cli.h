/* The program: one file for each subcommand, and one table of subcommands in main.c. */
#ifndef MPT_CLI_H
#define MPT_CLI_H

#include "base/base.h"

/* A subcommand gets its own arguments (argv[0] is its name), prints its own errors and returns an
 * mpt_code. It calls MPI_Init itself, and only when its arguments are in order. */
typedef int mpt_command(int argc, char **argv);

mpt_command mpt_cmd_run, mpt_cmd_plan, mpt_cmd_show, mpt_cmd_check, mpt_cmd_sample, mpt_cmd_bench,
    mpt_cmd_serve;

/* One option of a subcommand: "--name VALUE" (or "--name=VALUE"), or a switch when value is NULL.
 */
typedef struct mpt_option {
  const char *name;  /* "--gradients" */
  const char *value; /* "K", or NULL for a switch */
  const char *help;
} mpt_option;

typedef struct mpt_usage {
  const char *command, *arguments, *summary;
  const mpt_option *options;
  size_t option_count;
  const char *details; /* printed after the options; may be NULL */
} mpt_usage;

/* Called for each option (index into usage->options, value NULL for a switch) and, with index -1,
 * for each positional argument. */
typedef mpt_code mpt_option_handler(void *context, int index, const char *value, mpt_error *error);

/* Parses the arguments. `--help` prints the usage on standard output and sets *helped. An unknown
 * option is MPT_BAD_USAGE, and the message names the nearest option. */
mpt_code mpt_parse_options(const mpt_usage *usage, int argc, char **argv,
                           mpt_option_handler *handler, void *context, bool *helped,
                           mpt_error *error);

/* The table of subcommands. */
typedef struct mpt_subcommand {
  const char *name;
  mpt_command *run;
  const char *summary;
} mpt_subcommand;

/* Calls `teller` with the usage of each subcommand, the one that --help prints. */
typedef void mpt_usage_teller(const mpt_usage *usage);
void mpt_tell_usages(const mpt_subcommand *commands, int count, mpt_usage_teller *teller);

/* Documents generated from the table and the usages, on standard output: a manual page in roff's
 * man macros, and a completion script for bash. */
mpt_code mpt_print_manual(const mpt_subcommand *commands, int count);
mpt_code mpt_print_completion(const mpt_subcommand *commands, int count);

#endif
