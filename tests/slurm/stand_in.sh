#!/bin/bash
# Stands in for `multiplet serve SPOOL` where the script around it is tested: every rank starts, rank 0 renews
# SPOOL/status.json until SPOOL/stop is there. STAND_IN says how it misbehaves:
#   dies-early   ends with code 3 instead of starting
#   dies-late    ends with code 5 when SPOOL/die is there
#   ends-late    the same with code 0
#   never-ready  lives, but writes no status
# While it runs, SPOOL/alive.RANK is there.
set -eu
[ "$1" = serve ]
spool=$2
mode=${STAND_IN:-}
rank=${OMPI_COMM_WORLD_RANK:-${SLURM_PROCID:-0}}
trap 'rm -f "$spool/alive.$rank"' EXIT
trap 'exit 0' TERM

[ "$mode" != dies-early ] || exit 3
touch "$spool/alive.$rank" "$spool/started.$rank"
until [ -e "$spool/stop" ]; do
  if [ "$rank" = 0 ] && [ "$mode" != never-ready ]; then
    echo '{}' >"$spool/status.new"
    mv "$spool/status.new" "$spool/status.json"
  fi
  if [ -e "$spool/die" ]; then
    case $mode in
      dies-late) exit 5 ;;
      ends-late) exit 0 ;;
    esac
  fi
  sleep 0.1
done
touch "$spool/stopped.$rank"
