#!/bin/bash
# Installs what multiplet needs on Debian and Ubuntu; only what is missing, so a second time costs nothing.
#
#   jobs/install-packages.sh          to build and run
#   jobs/install-packages.sh tests    to test as well
#
# Elsewhere it does nothing: CMake says what it does not find.

set -eu

build_packages=(
  build-essential cmake ninja-build pkg-config
  libopenmpi-dev openmpi-bin
  libscalapack-openmpi-dev
  libopenblas-openmp-dev # one flavour of OpenBLAS; ScaLAPACK and LAPACK in one process must share it
  libhdf5-openmpi-dev
  libyaml-dev
)
test_packages=(
  libcmocka-dev
  python3 python3-numpy python3-scipy python3-h5py python3-mpmath python3-yaml python3-pytest python3-torch
  python3-matplotlib python3-pip python3-setuptools python3-venv python3-wheel
  slurm-wlm munge
  gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user # kernels for another processor
  groff-base mandoc # the manual page without warnings
  clang clang-tidy libomp-dev valgrind # another compiler, fuzzers, ThreadSanitizer
  shellcheck clang-format hdf5-tools openssh-client iproute2 util-linux e2fsprogs mount
)

# Shows what a command printed only if it fails.
quietly() {
  local output
  output=$("$@" 2>&1) || {
    local code=$?
    printf '%s\n' "$output" >&2
    return $code
  }
}

missing_of() {
  local package
  for package in "$@"; do
    dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || echo "$package"
  done
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  else
    sudo -n "$@"
  fi
}

can_be_root() {
  [ "$(id -u)" -eq 0 ] || sudo -n true 2>/dev/null
}

install_packages() {
  echo "installing ${*}"
  quietly as_root apt-get update
  quietly as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y --no-install-recommends "$@"
}

command -v dpkg-query >/dev/null || exit 0
wanted=("${build_packages[@]}")
case ${1:-} in
  tests) wanted+=("${test_packages[@]}") ;;
  "") ;;
  *)
    echo "usage: jobs/install-packages.sh [tests]" >&2
    exit 2
    ;;
esac

mapfile -t missing < <(missing_of "${wanted[@]}")
[ ${#missing[@]} -gt 0 ] || exit 0
if ! can_be_root; then
  echo "multiplet: error: packages are missing and may not be installed by this user; please run" >&2
  echo "  sudo apt-get install ${missing[*]}" >&2
  exit 2
fi
install_packages "${missing[@]}"
