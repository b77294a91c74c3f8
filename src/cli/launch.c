#include "launch.h"

#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int mpt_launch_rank(void) {
  static const char *const names[] = {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK",
                                      "MV2_COMM_WORLD_RANK"};
  for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
    const char *value = getenv(names[k]);
    if (value && *value) return atoi(value);
  }
  return 0;
}

void mpt_launch_mpi(void) {
  setenv("OMPI_MCA_io", "romio321", 0); /* several times faster than OMPIO for row slabs */
  MPI_Init(NULL, NULL);
}

void mpt_launch_end(void) {
  fflush(NULL);
  MPI_Barrier(MPI_COMM_WORLD);
  MPI_Finalize();
}

void mpt_launch_let_speak(void) {
  int initialized;
  MPI_Initialized(&initialized);
  if (initialized || mpt_launch_rank() == 0) return;
  sleep(1);
  if (!getenv("OMPI_COMM_WORLD_RANK")) return;
  sleep(5);
  mpt_print_held_error();
}

mpt_code mpt_take_config_path(mpt_config_arguments *a, const char *value, mpt_error *error) {
  if (a->path)
    return mpt_fail(error, MPT_BAD_USAGE,
                    "unexpected argument '%s': the config is '%s' already (give one config)", value,
                    a->path);
  a->path = value;
  return MPT_DONE;
}

mpt_code mpt_take_override(mpt_config_arguments *a, const char *value, mpt_error *error) {
  const char **grown = realloc(a->overrides, sizeof *grown * (a->count + 1));
  if (!grown) return mpt_no_memory("read the command line", error);
  a->overrides = grown;
  a->overrides[a->count++] = value;
  return MPT_DONE;
}

mpt_code mpt_load_config(const mpt_config_arguments *a, mpt_config *config, mpt_error *error) {
  if (!a->path) return mpt_fail(error, MPT_BAD_USAGE, "no config: which job? (give a CONFIG.yaml)");
  return mpt_config_load(a->path, a->overrides, a->count, config);
}
