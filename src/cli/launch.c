#include "cli/launch.h"

#include <mpi.h>
#include <multiplet/job.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/crash.h"

/* The variables in which launchers state the rank and the number of processes. The launcher nearest
 * to the program comes first. A batch script has SLURM_NTASKS and SLURM_PROCID of its own, which do
 * not count; only those of a step do. */
static const struct launcher {
  const char *name, *rank, *size, *only_with;
} launchers[] = {
    {"Open MPI's mpirun", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", NULL},
    {"MVAPICH's mpirun", "MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE", NULL},
    {"an mpiexec that speaks PMI", "PMI_RANK", "PMI_SIZE", NULL},
    {"a launcher that speaks PMIx", "PMIX_RANK", NULL, NULL},
    {"MPICH's mpiexec", "MPI_LOCALRANKID", "MPI_LOCALNRANKS", NULL},
    {"PALS", "PALS_RANKID", "PALS_SIZE", NULL},
    {"jsrun", "JSM_NAMESPACE_RANK", "JSM_NAMESPACE_SIZE", NULL},
    {"flux", "FLUX_TASK_RANK", NULL, NULL},
    {"srun", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_STEP_ID"},
    {"srun", "SLURM_PROCID", "SLURM_NTASKS", "SLURM_STEP_ID"},
    {"srun", "SLURM_PROCID", NULL, NULL},
};

static int number_of(const char *variable) {
  const char *value = variable ? getenv(variable) : NULL;
  return value && *value ? atoi(value) : -1;
}

/* The first launcher whose variables are set; a number that is not set is -1. NULL: no launcher. */
static const struct launcher *find_launcher(int *rank, int *size) {
  for (size_t k = 0; k < sizeof launchers / sizeof *launchers; k++) {
    const struct launcher *l = &launchers[k];
    if (l->only_with && number_of(l->only_with) < 0) continue;
    *rank = number_of(l->rank);
    *size = number_of(l->size);
    if (*size > 0 || *rank > 0) return l;
  }
  return NULL;
}

int mpt_launch_rank(void) {
  int rank, size;
  return find_launcher(&rank, &size) && rank > 0 ? rank : 0;
}

mpt_code mpt_launch_mpi(mpt_error *error) {
  int claimed_rank = -1, claimed = -1, size;
  const struct launcher *l = find_launcher(&claimed_rank, &claimed); /* MPI_Init sets its own */
  mpt_lookout_start();                  /* this process may fork only before MPI_Init */
  setenv("OMPI_MCA_io", "romio321", 0); /* several times faster than OMPIO for row slabs */
  MPI_Init(NULL, NULL);
  mpt_on_crash(NULL);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  if (!l || size > 1 || (claimed <= 1 && claimed_rank <= 0)) return MPT_DONE;
  char library[MPI_MAX_LIBRARY_VERSION_STRING] = "";
  int length;
  MPI_Get_library_version(library, &length);
  library[strcspn(library, ",\n")] = 0;
  mpt_log_speaks(claimed_rank <= 0);
  char *count = claimed > 1 ? mpt_format("%d ranks", claimed) : mpt_format("several ranks");
  mpt_fail(error, MPT_BAD_USAGE,
           "cannot run as %s: %s started them, and this program's MPI (%s) takes each for a job of "
           "its own (start them with that MPI's mpirun, or with srun --mpi=pmix)",
           count ? count : "several ranks", l->name, library);
  free(count);
  mpt_print_error(error);
  mpt_launch_end();
  return MPT_BAD_USAGE;
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
