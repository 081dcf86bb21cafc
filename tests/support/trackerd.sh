# shellcheck shell=bash
# To be sourced by test scripts, under set -euo pipefail. Makes $work, a folder that goes with the script, and kills at its
# end what is in $children, process ids.
watchdog=$(dirname "${BASH_SOURCE[0]}")/watchdog.sh
# Another run's watchdog may take the new folder for one that nobody holds, before it is locked: then there is another.
for _ in 1 2 3 4 5 6 7 8 9 10; do
  work=$(mktemp -d "${TMPDIR:-/tmp}/tracker-run-XXXXXX")
  # Only this shell holds its end of the coprocess's pipe, which no child inherits: should it be killed, the pipe ends.
  coproc { exec 8<"$work" && flock 8 && [ -d "$work" ] && echo held && exec "$watchdog" "$work" >/dev/null; } 2>/dev/null
  # The coprocess that could not lock it has gone by now, and its variable with it.
  held=
  { read -r held <&"${COPROC[0]:-}"; } 2>/dev/null || true
  [ "$held" != held ] || break
  wait 2>/dev/null || true
done
[ "$held" = held ] || { echo "FAILED: each new folder in ${TMPDIR:-/tmp} is removed at once" >&2; exit 1; }
export TMPDIR=$work
children=()
stop() {
  local pid
  for pid in "${children[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${children[@]}"; do wait "$pid" 2>/dev/null || true; done
  rm -rf "$work"
}
trap stop EXIT

# start_trackerd BIN_FOLDER: a trackerd on a file in $work; sets $address.
start_trackerd() {
  "$1/trackerd" --listen 127.0.0.1:0 --store "sqlite:$work/tracker.db" 2>"$work/trackerd.log" &
  children+=($!)
  address=
  for _ in $(seq 200); do
    address=$(sed -n 's/.*listening.*\(127\.0\.0\.1:[0-9][0-9]*\).*/\1/p' "$work/trackerd.log")
    [ -z "$address" ] || return 0
    sleep 0.05
  done
  cat "$work/trackerd.log" >&2
  echo "FAILED: trackerd does not listen" >&2
  exit 1
}
