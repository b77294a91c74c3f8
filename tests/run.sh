#!/bin/bash
# Everything that has to hold before a change goes in: builds without warnings, format, lint, tests.
#
#   bash tests/run.sh [ctest options]      for example: bash tests/run.sh -R unit
#
# Leaves the program at build/bin/multiplet.

set -euo pipefail
cd "$(dirname "$0")/.."

bash jobs/install-packages.sh tests
# shellcheck source-path=SCRIPTDIR source=environment.sh
. tests/environment.sh

failed=()

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

check_scripts() {
  { files_named '*.sh' '*.sbatch'; echo .ci/run; } | xargs -r -d '\n' shellcheck -x
}

run_tests() {
  ctest --test-dir build --output-on-failure --no-tests=error --timeout 600 "$@"
}

printf '\n== build, warnings are errors\n'
build
check "clang-format" check_format
check "shellcheck" check_scripts
check "tests" run_tests "$@"

if [ ${#failed[@]} -gt 0 ]; then
  printf 'failed: %s\n' "${failed[@]}" >&2
  exit 1
fi
