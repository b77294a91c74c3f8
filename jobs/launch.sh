# shellcheck shell=bash
# What the SLURM scripts here share; sourced by them, not run. The script says before in jobs_directory
# where this file is, and finds afterwards
#   program   the multiplet binary
#   launch    an array: the command that starts a program on every task of the allocation
# and defaults in the environment. What the user has set is kept.
#
# From the environment of the submission (sbatch hands it on):
#   MULTIPLET   the program; else multiplet on PATH, else build/bin/multiplet beside jobs/
#   LAUNCH      mpirun (the default) or srun, with options if need be: LAUNCH="srun --mpi=pmi2".
#               srun without --mpi gets --mpi=pmix
#   OPENBLAS_CORETYPE
#               OpenBLAS's kernel set. Not set here: every node takes the best that its processor has, and the
#               program warns where nodes differ (their last bits would, too). On nodes of several kinds ask
#               for one kind (--constraint), or name the oldest one's kernel set, for example Haswell.

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
  # A rank is single-threaded unless told otherwise; several threads (run.threads in the config) need as many
  # --cpus-per-task. They are not bound one by one: they move within the cores of their rank.
  export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
  # Since SLURM 22.05 srun no longer takes --cpus-per-task over from sbatch.
  export SRUN_CPUS_PER_TASK="${SRUN_CPUS_PER_TASK:-${SLURM_CPUS_PER_TASK:-1}}"
  # A rank that wanders between cores loses its caches. mpirun is told here; srun binds to cores because
  # of the directive --hint=nomultithread.
  export OMPI_MCA_hwloc_base_binding_policy="${OMPI_MCA_hwloc_base_binding_policy:-core}"
}

set_launch() {
  read -r -a launch <<<"${LAUNCH:-mpirun}"
  case ${launch[0]##*/} in
    srun)
      case " ${launch[*]} " in
        *" --mpi"*) ;;
        *) launch+=(--mpi=pmix) ;;
      esac
      ;;
    mpirun)
      if [ "${SLURM_CPUS_PER_TASK:-1}" -gt 1 ]; then
        launch+=(--map-by "slot:PE=$SLURM_CPUS_PER_TASK")
      fi
      ;;
    *) stop_with "LAUNCH is '$LAUNCH' (give mpirun or srun, with options if need be)" ;;
  esac
}

# Puts the index of this array task in place of every {task}, in the config and in the arguments after it, and
# leaves the command line in `arguments`. The config is copied for that: beside itself, because its paths are
# relative to it, and until this script ends. Outside an array nothing is replaced.
set_arguments() {
  arguments=("$@")
  [ -n "${SLURM_ARRAY_TASK_ID:-}" ] || return 0
  local mark='{task}' config text
  arguments=("${@//"$mark"/$SLURM_ARRAY_TASK_ID}")
  config=${arguments[0]}
  text=$(cat -- "$config") || stop_with "cannot read the config '$config' (see above)"
  case "$* $text" in
    *"$mark"*) ;;
    *) stop_with "'$config' has no $mark, so all array tasks would write one result (put it into output.file)" ;;
  esac
  task_config=${config%.yaml}.task-$SLURM_ARRAY_TASK_ID.$SLURM_JOB_ID.yaml
  trap 'rm -f -- "$task_config"' EXIT
  printf '%s\n' "${text//"$mark"/$SLURM_ARRAY_TASK_ID}" >"$task_config" ||
    stop_with "cannot write '$task_config' (array tasks need a directory they can write to around the config)"
  arguments[0]=$task_config
}

# mpirun and srun both pass USR1 on to every rank.
# shellcheck disable=SC2317 # called by the traps
forward() {
  interrupted=yes
  [ -z "$launcher" ] || kill -USR1 "$launcher" 2>/dev/null
}

# Runs the program with these arguments on every task of the allocation. USR1 and TERM are passed on to it; it
# then finishes the matrices in hand, writes them and ends with 75. Leaves its code in `code`, and says in
# `cancelled` whether TERM came.
# shellcheck disable=SC2034 # the scripts use these two
run_program() {
  cancelled=no
  launcher=
  trap forward USR1
  trap 'cancelled=yes; forward' TERM
  # In the background: the shell runs a trap only between commands, except that it leaves a `wait` for one.
  "${launch[@]}" "$program" "$@" &
  launcher=$!
  # A `wait` that was left tells nothing about the launcher, which still runs: wait again.
  interrupted=yes
  while [ $interrupted = yes ]; do
    interrupted=no
    wait "$launcher"
    code=$?
  done
}

find_program
set_defaults
set_launch
