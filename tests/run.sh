#!/bin/bash
# Everything that has to hold before a change goes in: builds without warnings, format, lint, tests.
#
#   bash tests/run.sh [ctest options]      for example: bash tests/run.sh -L unit (or mpi, cli, python, slurm)
#   bash tests/run.sh --quick              in less than two minutes: build, layers, unit tests, a slice of the rest
#   bash tests/run.sh --long               the long tier instead: of the lanes engine's tests, every n from 1 to
#                                          64, type and kind, 10^5 matrices; injected faults,
#                                          MULTIPLET_FAULTS of them by type and engine; gradients of
#                                          tests/attack against the truth, 10^4 random problems of each type,
#                                          10^6 losses of other forms, 10^5 that deserve no warning
#   bash tests/run.sh --attack HOURS       everything in tests/attack that attacks the program, round after round
#                                          until told: torture matrices, kills, several writers, failing calls, cut
#                                          write logs, requests, fuzzers; a line each, and the first fault ends it
#   bash tests/run.sh --oldest             with the oldest PyTorch that has all of multiplet.torch, 2.4, from PyPI (its
#                                          wheel and CUDA's libraries: 5 GB)
#   bash tests/run.sh --asan               under the address and undefined-behaviour sanitizers, in
#                                          build-asan: unit tests, MPI tests on 1 and 2 ranks, the program's own tests
#   bash tests/run.sh --tsan               under ThreadSanitizer, in build-tsan: threads, the service
#   bash tests/run.sh --valgrind           unit tests under valgrind
#   bash tests/run.sh --coverage           which lines the unit, MPI and program's tests reach, in build-coverage: a
#                                          table by file
#
# Leaves the program at build/bin/multiplet.

set -euo pipefail
cd "$(dirname "$0")/.."

bash jobs/install-packages.sh tests
# shellcheck source-path=SCRIPTDIR source=environment.sh
. tests/environment.sh

failed=()

# install_peers DIRECTORY PACKAGES: packages from PyPI in an environment that is kept from run to run.
install_peers() {
  rm -f "$1"/ready "$1"/failed
  mkdir -p "$1"
  if "$PYTHON" -m venv "$1" && "$1/bin/python" -m pip install --quiet --upgrade --disable-pip-version-check "${@:2}" \
    numpy scipy h5py mpmath pytest; then
    touch "$1/ready"
  else
    touch "$1/failed"
  fi >"$1/log" 2>&1
}

# The newest PyTorch and JAX, while other things are built and tested: tests/python/test_peers.py waits for them.
begin_peers() {
  export MULTIPLET_PEERS="${MULTIPLET_PEERS:-${XDG_CACHE_HOME:-$HOME/.cache}/multiplet/peers}"
  install_peers "$MULTIPLET_PEERS" torch jax &
}

run_oldest() {
  export MULTIPLET_OLDEST="${MULTIPLET_OLDEST:-${XDG_CACHE_HOME:-$HOME/.cache}/multiplet/oldest}"
  install_peers "$MULTIPLET_OLDEST" 'torch==2.4.*' 'numpy<2.3' setuptools
  if [ ! -e "$MULTIPLET_OLDEST/ready" ]; then
    cat "$MULTIPLET_OLDEST/log" >&2
    failed+=("PyPI")
    return
  fi
  build
  check "PyTorch 2.4" run_tests -R python_test_peers
}

# A failed check does not keep the others from being made.
check() {
  printf '\n== %s\n' "$1"
  "${@:2}" || failed+=("$1")
}

build() {
  cmake --preset release -DMULTIPLET_TESTS=ON -DMULTIPLET_WERROR=ON -DPython3_EXECUTABLE="$(command -v "$PYTHON")"
  cmake --build build --parallel "$(env -u OMP_NUM_THREADS nproc)"
}

# Files under version control, or all where there is none (a source archive).
files_named() {
  if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
    git ls-files -- "$@"
  else
    local pattern
    for pattern in "$@"; do
      find . -name "$pattern" -not -path './build*' -not -path './.git/*'
    done
  fi
}

check_format() {
  files_named '*.c' '*.h' | xargs -r -d '\n' clang-format --dry-run -Werror
}

# Another compiler's warnings, and clang-tidy's over what it has compiled.
check_clang() {
  local build=$PWD/build-clang log=$PWD/build-clang/log.txt
  mkdir -p "$build"
  if ! { CC=clang cmake -S . -B "$build" -DCMAKE_BUILD_TYPE=Debug -DMULTIPLET_TESTS=ON -DMULTIPLET_WERROR=ON \
    -DPython3_EXECUTABLE="$(command -v "$PYTHON")" &&
    cmake --build "$build" --parallel "$(env -u OMP_NUM_THREADS nproc)"; } >"$log" 2>&1; then
    cat "$log"
    return 1
  fi
  # Without jaxlib's header nothing of src/jax can be compiled.
  local left_out=()
  grep -q src/jax/ "$build/compile_commands.json" || left_out=(-not -path 'src/jax/*')
  find src -name '*.c' -not -name 'kernels_*' "${left_out[@]}" -print0 |
    xargs -0 -P "$(env -u OMP_NUM_THREADS nproc)" -n 8 clang-tidy -p "$build" --quiet 2>"$log"
}

check_scripts() {
  { files_named '*.sh' '*.sbatch'; echo .ci/run; } | xargs -r -d '\n' shellcheck -x
}

run_tests() {
  # Two more than there are cores: of a test's time much is waiting, for programs to start, disks, SLURM, time limits.
  ctest --test-dir build --output-on-failure --no-tests=error --timeout 600 \
    --parallel $(($(env -u OMP_NUM_THREADS nproc) + 2)) "$@"
}

# Some minutes, hence apart from the rest. Any finding ends the program that made it.
run_sanitized() {
  local build=$PWD/build-asan
  export ASAN_OPTIONS=fast_unwind_on_malloc=0
  export LSAN_OPTIONS=suppressions=$PWD/tests/lsan.supp:print_suppressions=0
  export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
  cmake --preset asan -DMULTIPLET_TESTS=ON -DPython3_EXECUTABLE="$(command -v "$PYTHON")"
  cmake --build "$build" --parallel "$(env -u OMP_NUM_THREADS nproc)"
  # OpenBLAS's zgemv for AVX reads past the end of ScaLAPACK's own vectors, and nobody is the worse for it
  # but a sanitizer; the older kernels do not.
  export OPENBLAS_CORETYPE=Nehalem
  ctest --test-dir "$build" --output-on-failure --no-tests=error -R '^test_' -E '_[346]$'
  # Not for leaks: LeakSanitizer's own tracer crashes at the end of processes that MPI has given threads to. The
  # tests above look for them.
  ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0 MULTIPLET=$build/bin/multiplet "$PYTHON" -m pytest -q tests/cli \
    tests/python/test_{run,inputs,faults,interrupted,writers,serve,average}.py
}

# clang's, since GCC's takes every barrier of libgomp (of the BLAS, of test_memory) for a race; Archer tells it of those.
run_tsan() {
  local build=$PWD/build-tsan
  cmake --preset tsan -DMULTIPLET_TESTS=ON -DPython3_EXECUTABLE="$(command -v "$PYTHON")"
  cmake --build "$build" --parallel "$(env -u OMP_NUM_THREADS nproc)"
  OMP_TOOL_LIBRARIES="$(dirname "$(clang -print-file-name=libomp.so)")/libarcher.so"
  export OMP_TOOL_LIBRARIES TSAN_OPTIONS=ignore_noninstrumented_modules=1:exitcode=66
  local name
  for name in test_memory test_memory_values test_solver test_self_test test_cache test_progress; do
    OMP_NUM_THREADS=4 "$build/bin/$name"
  done
  MULTIPLET=$build/bin/multiplet "$PYTHON" -m pytest -q tests/python/test_serve.py -k "answered or second_pass or many or restarted"
}

# Those that take no minutes there. Libraries that ask the processor for what valgrind lacks choose older kernels.
run_valgrind() {
  build
  local name
  for name in backward cache config function multiplet plan progress slabs sound tridiagonal; do
    echo "valgrind test_$name"
    OPENBLAS_CORETYPE=Haswell timeout 1200 valgrind --quiet --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite \
      "build/bin/test_$name" >build/valgrind.log 2>&1 || { cat build/valgrind.log; return 1; }
  done
}

# gcov's lines by file; what the analysis of failing calls reaches is not in it.
run_coverage() {
  local build=$PWD/build-coverage
  cmake --preset coverage -DMULTIPLET_TESTS=ON -DPython3_EXECUTABLE="$(command -v "$PYTHON")"
  cmake --build "$build" --parallel "$(env -u OMP_NUM_THREADS nproc)"
  find "$build" -name '*.gcda' -delete
  ctest --test-dir "$build" --no-tests=error -R '^test_' -E '_[346]$' --parallel "$(env -u OMP_NUM_THREADS nproc)"
  MULTIPLET=$build/bin/multiplet "$PYTHON" -m pytest -q tests/cli tests/python/test_{run,functions,inputs,serve,selection}.py
  find "$build"/CMakeFiles/multiplet*.dir -name '*.gcda' -print0 | (cd "$build" && xargs -0 -n 1 gcov --no-output) 2>/dev/null |
    "$PYTHON" tests/coverage.py
}

run_attack() {
  build
  local end seed
  end=$((SECONDS + $(awk -v hours="$1" 'BEGIN { print int(3600 * hours) }')))
  seed=$(date +%s)
  while [ "$SECONDS" -lt "$end" ]; do
    printf '\n== seed %s\n' "$seed"
    "$PYTHON" tests/attack/torture.py --count 20000 --seed "$seed"
    "$PYTHON" tests/attack/kills.py --count 100 --seed "$seed"
    "$PYTHON" tests/attack/writers.py --count 50 --seed "$seed"
    "$PYTHON" tests/attack/replay.py --losses 20 --seed "$seed"
    "$PYTHON" tests/attack/faults.py --count 30 --seed "$seed" --ranks 1,2
    "$PYTHON" tests/attack/many_requests.py --count 20000 --seed "$seed"
    bash tests/attack/fuzz/run.sh 120
    seed=$((seed + 1))
  done
}

run_long() {
  export MULTIPLET_LONG=1
  timeout 3600 build/bin/test_lanes
  timeout 3600 build/bin/test_lanes_bits
  # Faults injected into eigenpairs and products, by engine and type: tables of what was found.
  export MULTIPLET_FAULTS="${MULTIPLET_FAULTS:-60000}"
  for ranks in 1 2 4; do
    MULTIPLET_TIMEOUT=3600 mpirun -n $ranks build/bin/test_corrupted
    MULTIPLET_TIMEOUT=3600 MULTIPLET_FAULTS=$((MULTIPLET_FAULTS / 1000 + 1)) mpirun -n $ranks build/bin/test_products
  done
  # Gradients against the truth: tables of errors, estimates and statuses. Samples of all are in the tests.
  timeout 3600 "$PYTHON" tests/attack/tables.py
  timeout 3600 "$PYTHON" tests/attack/estimates.py --count 10000
  timeout 3600 "$PYTHON" tests/attack/selections.py --count 2000
  timeout 3600 "$PYTHON" tests/attack/forms.py
  timeout 3600 "$PYTHON" tests/attack/alarms.py
  # Every case of the tests of multiplet.jax.
  begin_peers
  timeout 3600 "$PYTHON" -m pytest -q tests/python/test_peers.py
}

if [ "${1:-}" = --long ]; then
  build
  run_long
  exit
fi
# Not `run_asan && exit`: behind && nothing in a function ends it.
case ${1:-} in
  --oldest) run_oldest; exit ${#failed[@]} ;;
  --asan) run_sanitized; exit ;;
  --tsan) run_tsan; exit ;;
  --valgrind) run_valgrind; exit ;;
  --coverage) run_coverage; exit ;;
  --attack) run_attack "${2:?how many hours?}"; exit ;;
esac

if [ "${1:-}" != --quick ]; then
  begin_peers
fi
printf '\n== build, warnings are errors\n'
build
check "layers" "$PYTHON" tests/layers.py
if [ "${1:-}" = --quick ]; then
  check "tests" run_tests -L 'unit|quick'
else
  check "clang-format" check_format
  check "shellcheck" check_scripts
  check "clang, clang-tidy" check_clang
  check "tests" run_tests "$@"
fi

if [ ${#failed[@]} -gt 0 ]; then
  printf 'failed: %s\n' "${failed[@]}" >&2
  exit 1
fi
