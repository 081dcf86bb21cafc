#!/bin/sh
# Waits until whoever made the folder has gone, which ends this program's input; then ends what is left in the folder and
# removes it. Whoever made it holds a lock on it (flock): folders beside it that nobody holds any more are cleaned first,
# as their watchdogs were killed, too.
#
#   watchdog.sh FOLDER

# The processes that work in the folder, or have their temporary files there.
left_in() {
  {
    find /proc/[0-9]*/cwd -prune \( -lname "$1" -o -lname "$1/*" \)
    grep -lzxF -e "TMPDIR=$1" /proc/[0-9]*/environ
  } 2>/dev/null | cut -d / -f 3 | sort -u
}

clean() {
  tries=0
  while pids=$(left_in "$1") && [ -n "$pids" ] && [ "$tries" -lt 100 ]; do
    # At QUIT a PostgreSQL leaves at once, and takes its shared memory with it. Who does not is killed after two seconds.
    signal=0
    [ "$tries" -ne 0 ] || signal=QUIT
    [ "$tries" -lt 20 ] || signal=KILL
    # shellcheck disable=SC2086  # process ids are words
    kill -s "$signal" $pids
    sleep 0.1
    tries=$((tries + 1))
  done
  # The small disks of tests, the innermost first.
  awk -v below="$1/" 'index($2, below) == 1 { print $2 }' /proc/self/mounts | sort -r | while read -r disk; do
    umount -l -- "$disk"
  done
  rm -rf -- "$1"
}

# Between the making of a folder and its lock: the maker sees that it has gone, and makes another.
for other in "${1%/*}"/tracker-run-*; do
  if [ "$other" != "$1" ] && [ -d "$other" ] && [ -O "$other" ]; then
    (exec 9<"$other" && flock -n 9 && clean "$other")
  fi
done

read -r _
[ ! -d "$1" ] || clean "$1"
