# shellcheck shell=bash
# The environment of every test; sourced. What is set already is kept.

# Open MPI refuses root, and more ranks than cores, unless told to.
export OMPI_ALLOW_RUN_AS_ROOT="${OMPI_ALLOW_RUN_AS_ROOT:-1}"
export OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="${OMPI_ALLOW_RUN_AS_ROOT_CONFIRM:-1}"
export OMPI_MCA_rmaps_base_oversubscribe="${OMPI_MCA_rmaps_base_oversubscribe:-1}"
# Tests that run side by side would all be bound to the same first cores.
export OMPI_MCA_hwloc_base_binding_policy="${OMPI_MCA_hwloc_base_binding_policy:-none}"
# Looking for networks that a test machine lacks, takes Open MPI most of the
# half second in which the program starts, some thousand times.
export OMPI_MCA_pml="${OMPI_MCA_pml:-ob1}"
export OMPI_MCA_btl="${OMPI_MCA_btl:-self,vader,tcp}"
# Neither does any test need to know what is in the machine's PCI slots, which every process asks for.
export HWLOC_COMPONENTS="${HWLOC_COMPONENTS:--linuxio,-pci}"
# Ranks of one test that wait for each other leave their cores to the other tests.
export OMPI_MCA_mpi_yield_when_idle="${OMPI_MCA_mpi_yield_when_idle:-1}"
# Open MPI's ranks read each other's memory by a system call that is denied under a seccomp filter (most
# containers) or a Yama policy, and complain.
yama=$(cat /proc/sys/kernel/yama/ptrace_scope 2>/dev/null || echo 0)
if [ "$yama" -gt 0 ] || grep -q '^Seccomp:[[:space:]]*[12]' /proc/self/status; then
  export OMPI_MCA_btl_vader_single_copy_mechanism="${OMPI_MCA_btl_vader_single_copy_mechanism:-none}"
fi
unset yama
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"

# A python3 that comes first on PATH (pyenv, conda) may lack the packages that the system's has.
if /usr/bin/python3 -c 'import h5py' 2>/dev/null; then
  PYTHON=/usr/bin/python3
else
  PYTHON=python3
fi
export PYTHON
