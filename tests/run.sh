#!/bin/bash
# Everything that has to hold before a change goes in: builds without warnings, format, lint, tests.
#
#   bash tests/run.sh [ctest options]      for example: bash tests/run.sh -R unit
#
# Leaves the program at build/bin/multiplet.

set -eu
cd "$(dirname "$0")/.."

bash jobs/install-packages.sh tests
# shellcheck source-path=SCRIPTDIR source=environment.sh
. tests/environment.sh

headline() { printf '\n== %s\n' "$*"; }

build() {
  headline "build, warnings are errors"
  cmake --preset release -DMULTIPLET_TESTS=ON -DMULTIPLET_WERROR=ON -DPython3_EXECUTABLE="$(command -v "$PYTHON")"
  cmake --build build --parallel "$(nproc)"
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
  headline "clang-format"
  files_named '*.c' '*.h' | xargs -r -d '\n' clang-format --dry-run -Werror
}

check_scripts() {
  headline "shellcheck"
  { files_named '*.sh' '*.sbatch'; echo .ci/run; } | xargs -r -d '\n' shellcheck -x
}

run_tests() {
  headline "tests"
  ctest --test-dir build --output-on-failure --no-tests=error --timeout 600 "$@"
}

build
check_format
check_scripts
run_tests "$@"
