#!/bin/bash
# From a fresh checkout to eigenvalues and gradients, in a few minutes:
#
#   jobs/quickstart.sh
#
# Installs packages where some are missing, builds the program and the library, makes inputs of known
# spectra in build/quickstart/, runs the examples of configs/ on two ranks and shows the results.
# At the end the same from PyTorch, where that is importable: PYTHON names another Python than python3.
# Every command is printed as you would type it.

set -eu
cd "$(dirname "$0")/.."

say() {
  printf '$'
  printf ' %q' "$@"
  printf '\n'
}

run() {
  say "$@"
  "$@"
}

# For steps whose output is of interest only when they fail.
run_quietly() {
  local output=build/quickstart/output.txt
  say "$@"
  "$@" >"$output" 2>&1 || {
    local code=$?
    cat "$output" >&2
    exit $code
  }
}

# Hardware threads of one core count once, as they do for mpirun.
cores() {
  lscpu --parse=core,socket 2>/dev/null | grep -v '^#' | sort -u | wc -l
}

# Open MPI refuses to run as root, and to start more ranks than there are cores, unless told to.
set_mpi_defaults() {
  if [ "$(id -u)" -eq 0 ]; then
    export OMPI_ALLOW_RUN_AS_ROOT="${OMPI_ALLOW_RUN_AS_ROOT:-1}"
    export OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="${OMPI_ALLOW_RUN_AS_ROOT_CONFIRM:-1}"
  fi
  if [ "$(nproc)" -lt 2 ] || [ "$(cores)" -lt 2 ]; then
    export OMPI_MCA_rmaps_base_oversubscribe="${OMPI_MCA_rmaps_base_oversubscribe:-1}"
  fi
  export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
}

build() {
  local tests=ON
  pkg-config --exists cmocka || tests=OFF
  run_quietly cmake --preset release -DMULTIPLET_TESTS=$tests
  run_quietly cmake --build build --target multiplet libmultiplet --parallel "$(env -u OMP_NUM_THREADS nproc)"
}

make_inputs() {
  local sample="build/bin/multiplet sample" to=build/quickstart
  run $sample heisenberg --sites 6 --batch 11 -o $to/heisenberg.h5 --cotangents $to/heisenberg-cotangents.h5
  run $sample tight-binding --cells 2 --grid 12 -o $to/graphene.h5 --cotangents $to/graphene-cotangents.h5
  run $sample forum -o $to/forum.h5 --cotangents $to/forum-cotangents.h5
  run $sample heisenberg --sites 12 --sector 6 --batch 1 -o $to/large.h5
}

run_example() {
  run mpirun -n 2 build/bin/multiplet run "configs/$1.yaml" --fresh
  run build/bin/multiplet show "build/quickstart/$1-result.h5"
}

# The question that started it all: a gradient through the eigenpairs of a matrix whose eigenvalues are all double.
run_in_pytorch() {
  local python=${PYTHON:-python3}
  if ! "$python" -c 'import torch' 2>/dev/null; then
    printf 'PyTorch: %s has none. pip install torch, and run jobs/quickstart.sh again\n' "$python"
    return
  fi
  run env PYTHONPATH=src/python "$python" - <<'EOF'
import torch
import multiplet.torch

A = torch.tensor([[1.2039, 0, 0.3690, 0], [0, -1.2039, 0, 0.3690], [0.3690, 0, -1.2039, 0], [0, 0.3690, 0, 1.2039]],
                 requires_grad=True)
w, v = torch.linalg.eigh(A)
(v[:, :2] @ v[:, :2].T)[0].sum().backward()
print("torch.linalg.eigh:     ", A.grad[0])
A.grad = None
w, v = multiplet.torch.eigh(A)
(v[:, :2] @ v[:, :2].T)[0].sum().backward()
print("multiplet.torch.eigh:  ", A.grad[0])
EOF
}

mkdir -p build/quickstart
rm -f build/quickstart/*.h5
bash jobs/install-packages.sh
set_mpi_defaults
build
make_inputs
for example in heisenberg graphene forum large forward backward; do
  run_example $example
done
run build/bin/multiplet show "build/quickstart/heisenberg-result.h5:/H[5]"
run_in_pytorch
