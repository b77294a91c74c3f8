# shellcheck shell=bash
# What the SLURM scripts here share; sourced by them, not run. The script says before in jobs_directory
# where this file is, and finds afterwards
#   program   the multiplet binary
#   launch    an array: the command that starts a program on every task of the allocation
# and defaults in the environment. What the user has set is kept.

need_config() {
  if [ $# -eq 0 ]; then
    stop_with "no config (sbatch [options] jobs/NAME.sbatch CONFIG.yaml [--set key=value]...)"
  fi
}

stop_with() {
  echo "multiplet: error: $1" >&2
  exit 2
}

find_program() {
  if [ -n "${MULTIPLET:-}" ]; then
    program=$MULTIPLET
  elif command -v multiplet >/dev/null; then
    program=multiplet
  else
    program=${jobs_directory:?}/../build/bin/multiplet
  fi
  command -v "$program" >/dev/null ||
    stop_with "cannot run '$program' (set MULTIPLET to the program, or put it on PATH)"
}

set_defaults() {
  # A rank is single-threaded unless told otherwise; several threads need as many --cpus-per-task.
  export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
  # Since SLURM 22.05 srun no longer takes --cpus-per-task over from sbatch.
  export SRUN_CPUS_PER_TASK="${SRUN_CPUS_PER_TASK:-${SLURM_CPUS_PER_TASK:-1}}"
  # A rank that wanders between cores loses its caches. mpirun is told here; srun binds to cores because
  # of the directive --hint=nomultithread.
  export OMPI_MCA_hwloc_base_binding_policy="${OMPI_MCA_hwloc_base_binding_policy:-core}"
}

set_launch() {
  case ${LAUNCH:-mpirun} in
    srun) launch=(srun --mpi=pmix) ;;
    mpirun)
      launch=(mpirun)
      if [ "${SLURM_CPUS_PER_TASK:-1}" -gt 1 ]; then
        launch+=(--map-by "slot:PE=$SLURM_CPUS_PER_TASK")
      fi
      ;;
    *) stop_with "LAUNCH is '$LAUNCH' (give mpirun or srun)" ;;
  esac
}

find_program
set_defaults
set_launch
