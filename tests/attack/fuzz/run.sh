#!/bin/bash
# Coverage-guided fuzzing of what reads texts and files from outside, by clang's libFuzzer, with the address and
# undefined-behaviour sanitizers.
#
#   bash tests/attack/fuzz/run.sh [SECONDS [TARGET...]]     default: 20 seconds each of config, set, request, input
#
# Seeds, and inputs that were found once, are in seeds/TARGET; new ones stay in build-fuzz/TARGET. What crashes is left
# as build-fuzz/TARGET-crash-*: mend it, and put it into the seeds. FUZZ_WORKERS processes a target (default: 1).

set -euo pipefail
cd "$(dirname "$0")/../../.."
seconds=${1:-20}
[ $# -gt 0 ] && shift
[ $# -gt 0 ] || set -- config set request input
out=$PWD/build-fuzz
mkdir -p "$out"

# Only the layers that read, so that it builds in a quarter of a minute.
sources=(src/base/*.c src/spectral/{entropy,function,occupation,kinds,multiplet,select}.c
  src/config/{config,diagnostics,keys,path,reading,values,values_lists,values_select,yaml_tree}.c
  src/serve/{answer,request,spool,suspect}.c)
[[ " $* " != *" input "* ]] || sources+=(src/mpi/*.c src/store/*.c)
flags=(-std=gnu17 -g -O1 -fsanitize=address -fsanitize=undefined -fno-sanitize-recover=all -DMPT_VERSION=\"fuzz\"
  -Iinclude -Isrc -Itests/attack/fuzz)
read -r -a mpi <<<"$(pkg-config --cflags ompi-c 2>/dev/null || mpicc --showme:compile)"
read -r -a mpi_libraries <<<"$(pkg-config --libs ompi-c 2>/dev/null || mpicc --showme:link)"
read -r -a hdf5 <<<"$(pkg-config --cflags hdf5-openmpi)"
read -r -a hdf5_libraries <<<"$(pkg-config --libs hdf5-openmpi)"

compile() {
  local source object
  for source in "$@"; do
    object=$out/objects/$(basename "$source" .c).o
    clang "${flags[@]}" "${mpi[@]}" "${hdf5[@]}" -fsanitize=fuzzer-no-link -c "$source" -o "$object"
  done
}

# In two halves side by side.
build() {
  local target
  rm -rf "$out/objects" # of a source that has gone, too
  mkdir -p "$out/objects"
  compile "${sources[@]:0:${#sources[@]}/2}" &
  compile "${sources[@]:${#sources[@]}/2}"
  wait $!
  for target in "$@"; do
    clang "${flags[@]}" "${mpi[@]}" "${hdf5[@]}" -fsanitize=fuzzer "tests/attack/fuzz/$target.c" "$out"/objects/*.o \
      "${hdf5_libraries[@]}" "${mpi_libraries[@]}" -lyaml -lm -ldl -o "$out/fuzz-$target"
  done
}

build "$@"
export ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1 LSAN_OPTIONS=suppressions=$PWD/tests/lsan.supp:print_suppressions=0
for target in "$@"; do
  # libhdf5 leaks on damaged files.
  [ "$target" != input ] || ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1
  mkdir -p "$out/$target"
  log=$out/$target.log
  # The program's own messages go nowhere: thousands of them a second.
  if ! "$out/fuzz-$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=16384 -close_fd_mask=3 \
    -artifact_prefix="$out/$target-" -fork="${FUZZ_WORKERS:-1}" -print_final_stats=1 \
    "$out/$target" "tests/attack/fuzz/seeds/$target" >"$log" 2>&1; then
    tail -40 "$log"
    echo "fuzz $target: FAILED, see $log"
    exit 1
  fi
  echo "fuzz $target: $(grep -oE '^#[0-9]+' "$log" | tail -1 | tr -d '#') inputs, $seconds s, none failed"
done
