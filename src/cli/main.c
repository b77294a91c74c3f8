/* The table of subcommands, and the output without a subcommand. */
#include "cli/cli.h"

#include <errno.h>
#include <hdf5.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include "cli/launch.h"

static const mpt_subcommand commands[] = {
    {"run", mpt_cmd_run, "the batch job: read, solve, differentiate, write"},
    {"serve", mpt_cmd_serve, "answer requests that arrive in a directory, until told to stop"},
    {"plan", mpt_cmd_plan, "print what run would do: engines, grids, memory, size, time"},
    {"show", mpt_cmd_show, "print a result: a summary, or one problem's spectrum"},
    {"check", mpt_cmd_check, "recompute residuals, orthogonality and gradients of a result"},
    {"sample", mpt_cmd_sample, "write inputs with known spectra"},
    {"bench", mpt_cmd_bench, "this program against plain LAPACK and ScaLAPACK calls"},
};
enum { COMMAND_COUNT = sizeof commands / sizeof *commands };

static void print_help(void) {
  printf("usage: multiplet COMMAND [arguments]\n\n"
         "Eigenvalues and eigenvectors of many Hermitian matrices, and gradients through them\n"
         "that stay exact at repeated eigenvalues.\n\ncommands:\n");
  for (int k = 0; k < COMMAND_COUNT; k++)
    printf("  %-10s %s\n", commands[k].name, commands[k].summary);
  printf("\n'multiplet COMMAND --help' shows details; 'multiplet --version' prints the version,\n"
         "'multiplet --man' the manual page, 'multiplet --completion bash' what bash completes.\n");
}

static int unknown_command(const char *name) {
  enum { OPTION_COUNT = 4 };
  const char *names[OPTION_COUNT + COMMAND_COUNT] = {"--help", "--version", "--man",
                                                     "--completion"};
  for (int k = 0; k < COMMAND_COUNT; k++) names[OPTION_COUNT + k] = commands[k].name;
  const char *nearest = mpt_nearest_name(name, names, OPTION_COUNT + COMMAND_COUNT);
  mpt_error error;
  if (nearest)
    mpt_fail(&error, MPT_BAD_USAGE, "unknown command '%s': no such command (did you mean '%s'?)",
             name, nearest);
  else
    mpt_fail(&error, MPT_BAD_USAGE,
             "unknown command '%s': no such command (multiplet --help lists them)", name);
  mpt_print_error(&error);
  return MPT_BAD_USAGE;
}

/* The shell is an argument so that others can be added. */
static int print_completion(const char *shell) {
  mpt_error error;
  if (shell && !strcmp(shell, "bash")) return mpt_print_completion(commands, COMMAND_COUNT);
  mpt_fail(&error, MPT_BAD_USAGE,
           "cannot complete for shell '%s': only bash is known (write --completion bash)",
           shell ? shell : "");
  mpt_print_error(&error);
  return MPT_BAD_USAGE;
}

static int dispatch(int argc, char **argv) {
  const char *name = argc > 1 ? argv[1] : NULL;
  if (!name) {
    mpt_error error;
    mpt_fail(&error, MPT_BAD_USAGE, "no command: nothing to do (multiplet --help lists them)");
    mpt_print_error(&error);
    return MPT_BAD_USAGE;
  }
  for (int k = 0; k < COMMAND_COUNT; k++)
    if (!strcmp(name, commands[k].name)) return commands[k].run(argc - 1, argv + 1);
  if (!strcmp(name, "--help") || !strcmp(name, "-h"))
    print_help();
  else if (!strcmp(name, "--version"))
    printf("multiplet %s\n", mpt_version());
  else if (!strcmp(name, "--man"))
    return mpt_print_manual(commands, COMMAND_COUNT);
  else if (!strcmp(name, "--completion"))
    return print_completion(argc > 2 ? argv[2] : NULL);
  else
    return unknown_command(name);
  return MPT_DONE;
}

/* Starts HDF5 before MPI and never ends it: this program closes what it opens. HDF5 counts a file
 * that it could not close as open although its data are freed; cleaning up at exit or within
 * MPI_Finalize would crash on that. A limit on file sizes is to give an error message, so its
 * signal is ignored. */
static void prepare_files(void) {
  H5dont_atexit();
  H5open();
  signal(SIGXFSZ, SIG_IGN);
}

int main(int argc, char **argv) {
  prepare_files();
  mpt_log_rank(mpt_launch_rank());
  mpt_log_speaks(mpt_launch_rank() == 0); /* errors are printed once, not by each rank */
  int code = dispatch(argc, argv);
  if (code != MPT_DONE) mpt_launch_let_speak();
  if (!fflush(stdout) && !ferror(stdout)) return mpt_exit_code((mpt_code)code);
  mpt_error error;
  mpt_fail(&error, MPT_BAD_OUTPUT, "cannot write to standard output: %s (check where it goes)",
           strerror(errno));
  mpt_print_error(&error);
  return code ? mpt_exit_code((mpt_code)code) : MPT_BAD_OUTPUT;
}
