#!/usr/bin/env bash
# Runs the README's grpcurl tour word for word against a real trackerd, and compares its C++ with the example that is compiled.
#
#   readme_test.sh BIN_FOLDER
set -euo pipefail
bin=$1
top=$(cd "$(dirname "$0")/../.." && pwd)

example=$(sed -n '/README-BEGIN/,/README-END/p' "$top/client/examples/ten_lines.cc" | sed '1d;$d')
readme=$(cat "$top/README.md")
if [[ "$readme" != *"$example"* ]]; then
  echo "FAILED: the README's C++ is not that of client/examples/ten_lines.cc" >&2
  exit 1
fi

if ! command -v grpcurl >/dev/null; then
  echo "SKIPPED: the tour needs grpcurl on PATH; ./test builds it where Go is there" >&2
  exit 77
fi

# shellcheck source=tests/support/trackerd.sh
. "$top/tests/support/trackerd.sh"
start_trackerd "$bin"

sed -n '/<!-- tour/,/^```$/p' "$top/README.md" | sed '1,2d;$d' | sed "s/127\.0\.0\.1:7070/$address/" >"$work/tour.sh"
[ -s "$work/tour.sh" ] || { echo "FAILED: no tour in the README" >&2; exit 1; }
bash -euo pipefail "$work/tour.sh" >"$work/out" 2>&1 || { cat "$work/out" >&2; exit 1; }

for expected in '"fence": "1"' 'TASK_LOCKED' 'refused, as it should be' 'STATUS_FAILED' 'STATUS_SUCCEEDED' \
  'page 7 cannot be read' '"pages": 12' '"count": "1"'; do
  if ! grep -qF -- "$expected" "$work/out"; then
    echo "FAILED: the tour did not show: $expected" >&2
    cat "$work/out" >&2
    exit 1
  fi
done
echo "the tour works word for word"
