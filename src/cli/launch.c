#include "launch.h"

#include <dirent.h>
#include <mpi.h>
#include <stdbool.h>
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

/* Whether this machine has a network that reads and writes other machines' memory. */
static bool has_rdma(void) {
  DIR *devices = opendir("/sys/class/infiniband");
  if (!devices) return false;
  bool found = false;
  for (struct dirent *entry; !found && (entry = readdir(devices));) found = entry->d_name[0] != '.';
  closedir(devices);
  return found;
}

void mpt_launch_mpi(void) {
  /* Open MPI 4.1 gives windows to UCX also where UCX has no network for them, and MPI_Win_allocate
   * then aborts jobs on two nodes and more (open-mpi/ompi issue 11466). */
  if (!has_rdma()) setenv("OMPI_MCA_osc", "^ucx", 0);
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
  if (!initialized && mpt_launch_rank() != 0) sleep(1);
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
  if (!grown) return mpt_fail(error, MPT_NO_RESOURCE, "cannot read the command line: no memory");
  a->overrides = grown;
  a->overrides[a->count++] = value;
  return MPT_DONE;
}

mpt_code mpt_load_config(const mpt_config_arguments *a, mpt_config *config, mpt_error *error) {
  if (!a->path) return mpt_fail(error, MPT_BAD_USAGE, "no config: which job? (give a CONFIG.yaml)");
  return mpt_config_load(a->path, a->overrides, a->count, config);
}
