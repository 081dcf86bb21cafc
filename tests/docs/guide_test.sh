#!/usr/bin/env bash
# Compares the C++ of docs/client.md with the examples that are compiled, and runs them against a real trackerd.
#
#   guide_test.sh BIN_FOLDER            checks
#   guide_test.sh --write               puts the examples' C++ into docs/client.md
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
guide=$top/docs/client.md

# The guide with the C++ of the examples in it.
rendered() {
  local line file name skip=
  while IFS= read -r line; do
    if [[ "$line" =~ ^'<!-- GUIDE '([^ ]+)' '([^ ]+)' -->'$ ]]; then
      file=$top/client/examples/guide/${BASH_REMATCH[1]}
      name=${BASH_REMATCH[2]}
      printf '%s\n```cpp\n' "$line"
      sed -n "/GUIDE-BEGIN $name\$/,/GUIDE-END $name\$/p" "$file" | sed '1d;$d'
      printf '```\n'
      skip=yes
    elif [ -n "$skip" ] && [ "$line" = '```cpp' ]; then
      skip=block
    elif [ "$skip" = block ]; then
      if [ "$line" = '```' ]; then skip=; fi
    else
      skip=
      printf '%s\n' "$line"
    fi
  done <"$guide"
}

if [ "${1:-}" = --write ]; then
  rendered >"$guide.new"
  mv "$guide.new" "$guide"
  exit
fi
bin=$1

if ! diff <(rendered) "$guide"; then
  echo "FAILED: docs/client.md does not show the examples as they are; run $0 --write" >&2
  exit 1
fi

# shellcheck source=tests/support/trackerd.sh
. "$top/tests/support/trackerd.sh"
start_trackerd "$bin"

# Runs an example: each line of its output must match the pattern that belongs to it.
expect() {
  local name=$1 pattern line
  shift
  "$bin/guide_$name" "$address" "${arguments[@]}" 2>"$work/err" >"$work/out" ||
    { echo "FAILED: $name" >&2; cat "$work/out" "$work/err" >&2; exit 1; }
  exec 3<"$work/out"
  for pattern in "$@"; do
    IFS= read -r line <&3 || line=
    [[ "$line" =~ ^$pattern$ ]] || { echo "FAILED: $name showed '$line' instead of '$pattern'" >&2; exit 1; }
  done
  if read -r line <&3; then echo "FAILED: $name showed more: $line" >&2; exit 1; fi
  echo "ok: $name"
}

arguments=()
expect guard 'tuesday is with .+:[0-9]+:[0-9]+' '\{"words":750\}'
expect run 'card-1: succeeded' 'no-such-card: exhausted, NOT_FOUND: no such card' \
  'bank-closed: failed, UNAVAILABLE: the bank is closed' 'bug: failed, .*Bug: cents'
grep -q '^begin namespace=payments id="card-1" attempt=1/3 ' "$work/err"
grep -q '^end namespace=payments id="bug" .*result=failed .*message=".*Bug: cents"' "$work/err"
"$bin/trackerctl" --server "$address" get payments bug >"$work/bug"
grep -q "guide_run(" "$work/bug" || { echo "FAILED: no traceback" >&2; cat "$work/bug" >&2; exit 1; }
expect fencing 'new file: OK' 'new row: OK' 'old file: ABORTED: attempt 2 has written it; this is 1' \
  'old row: ABORTED: a later attempt has written this row' 'new row again: OK' 'the file says new'
expect multi_process '100 done in 100 attempts'

for scan in a b c d e; do "$bin/trackerctl" --server "$address" create scans "$scan" >/dev/null; done
arguments=(once)
expect worker 'stopped'
"$bin/trackerctl" --server "$address" count scans | grep -Eq '^scans +0 +0 +0 +0 +5 ' ||
  { echo "FAILED: the worker left scans undone" >&2; exit 1; }
"$bin/guide_worker" "$address" >"$work/out" &
worker=$!
children+=("$worker")
# SIGTERM is the fifteenth: bit 14 of the signals that it catches.
for _ in $(seq 500); do
  caught=$(sed -n 's/^SigCgt:[[:space:]]*//p' "/proc/$worker/status")
  (( (0x$caught >> 14) & 1 )) && break
  sleep 0.01
done
kill -TERM "$worker"
wait "$worker" || { echo "FAILED: the worker did not stop well at SIGTERM" >&2; exit 1; }
unset 'children[-1]'
[ "$(cat "$work/out")" = stopped ]

# Killed at page 5; the next one goes on there.
if "$bin/guide_checkpoint" "$address" 5 >"$work/out" 2>/dev/null; then echo "FAILED: it should have crashed" >&2; exit 1; fi
[ "$(tr '\n' ' ' <"$work/out")" = 'page 1 page 2 page 3 page 4 ' ]
arguments=()
expect checkpoint 'page 5' 'page 6' 'page 7' 'page 8' 'page 9' 'page 10' 'indexed'
echo "the guide's examples work"
