#!/usr/bin/env bash
# What indexes on the state of tracker.task cost, against narrow side tables; see --help.
set -euo pipefail

usage() {
  cat <<'END'
usage: tests/bench/index_choice/run.sh [OPTION]... [VARIANT]...

Measures claim of 100 tasks, their success, and 100 new tasks, in a loop, over several schemas, in a PostgreSQL of its own that
goes at the end. Prints a Markdown table. Without a VARIANT: A B C D.

  --rows N         tasks to begin with, half of them waiting (1000000)
  --seconds N      how long each variant runs (60)
  --clients N      connections (4)
  --repeat N       how often to go through all variants (1)
  --details FOLDER keep there what pgbench prints of each run, with the time of each statement
  --set NAME=VALUE a setting of the server; may be repeated

The variants:
  A   indexes on tracker.task: by update time, by the lease's end (in progress), by priority (claimable)
  B   none of these; tables ready (claimable) and alarm (in progress) instead
  C   B with the index by update time
  D   B with a table by update time (touched)
Each may have options after commas, as in B,fillfactor=90,threshold=1000:
  fillfactor=N     of tracker.task (80)
  threshold=N      autovacuum_vacuum_threshold of ready and alarm (5000)
  naptime=N        autovacuum_naptime in seconds (60)
  vacuum=N         VACUUM ready and alarm every N seconds, besides autovacuum (0: not)

The table: "CPU" is the server's, without that of its permanent processes and of vacuum=N, and hangs less on what
else the machine does than the rate; "claim" is the time of the statement that finds and locks 100 tasks, in the last 5 seconds; "head" are the pages that
reading the first 100 candidates touches at the end; "heap" and the indexes are in MB, before and after, and grow by the new tasks;
"dead" are dead rows as of PostgreSQL's statistics, at the end.
END
}

rows=1000000 seconds=60 clients=4 repeat=1 details=
settings=()
variants=()
while [ $# -gt 0 ]; do
  case "$1" in
    --help) usage; exit 0 ;;
    --rows) rows=$2; shift 2 ;;
    --seconds) seconds=$2; shift 2 ;;
    --clients) clients=$2; shift 2 ;;
    --repeat) repeat=$2; shift 2 ;;
    --details) mkdir -p "$2"; details=$(realpath "$2"); shift 2 ;;
    --set) settings+=(-c "$2"); shift 2 ;;
    [ABCD] | [ABCD],*) variants+=("$1"); shift ;;
    *) usage >&2; exit 2 ;;
  esac
done
[ "${#variants[@]}" -gt 0 ] || variants=(A B C D)

cd "$(dirname "$0")"
initdb=$(command -v initdb || printf '%s\n' /usr/lib/postgresql/*/bin/initdb | sort -V | tail -n 1)
programs=$(dirname "$(readlink -f "$initdb")")
[ -x "$programs/pgbench" ] || { echo "index_choice: no initdb and pgbench; install postgresql" >&2; exit 1; }

# PostgreSQL does not run as root.
as=()
owner=$(id -un)
if [ "$(id -u)" -eq 0 ]; then
  owner=postgres
  id "$owner" >/dev/null 2>&1 || owner=nobody
  as=(setpriv --reuid "$owner" --regid "$(id -gn "$owner")" --clear-groups)
fi

work=$(mktemp -d)
children=()
stop() {
  local pid
  for pid in "${children[@]}"; do
    kill -INT "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  rm -rf "$work"
}
trap stop EXIT
trap 'exit 1' INT TERM
chown "$owner" "$work"

"${as[@]}" "$programs/initdb" --pgdata "$work/data" --username=postgres --auth=trust --encoding=UTF8 --locale=C --no-sync >"$work/log"
# On its unix socket only: so no port has to be free.
"${as[@]}" "$programs/postgres" -D "$work/data" -c listen_addresses= -c "unix_socket_directories=$work" -c fsync=on \
  -c shared_buffers=1GB -c max_wal_size=8GB -c checkpoint_timeout=30min "${settings[@]}" >>"$work/log" 2>&1 &
server=$!
children+=("$server")
export PGHOST=$work PGUSER=postgres PGDATABASE=postgres
for _ in $(seq 300); do
  "$programs/pg_isready" -q && break
  sleep 0.1
done

sql() { "$programs/psql" -X -q -A -t -v ON_ERROR_STOP=1 "$@"; }

sizes() {
  sql -d bench -c "SELECT c.relname || ' ' || round(pg_relation_size(c.oid) / 1e6, 1) FROM pg_class c
    WHERE c.relnamespace = 'tracker'::regnamespace AND c.relkind IN ('r', 'i') ORDER BY c.relkind DESC, c.relname"
}

# Before and after, on one line.
changes() {
  join -j 1 <(sort "$1") <(sort "$2") | awk '{ printf "%s%s %s→%s", (NR > 1 ? ", " : ""), $1, $2, $3 }'
}

updates() {
  sql -d bench -c "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relid = 'tracker.task'::regclass" -F ' '
}

# Of the server's processes that have ended, as those of pgbench's connections have; in ms.
cpu() { awk -v hz="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); print ($14 + $15) * 1000 / hz }' "/proc/$server/stat"; }

wal() { sql -c "SELECT pg_current_wal_insert_lsn() - '0/0'"; }

# With the settings of the store's own connections.
bench() {
  PGOPTIONS='-c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off
    -c enable_bitmapscan=off -c jit=off' "$programs/pgbench" -n -M prepared -r -c "$clients" -j 1 -D "n=$2" -f "$work/cycle.sql" -T "$1" bench 2>&1 ||
    { cat "$work/log" >&2; exit 1; }
}

run_variant() {
  local variant=$1 name=${1%%,*} option
  local fillfactor=80 threshold=5000 naptime=60 vacuum=0
  local ready_index=false update_index=false places=true touched=false
  while read -r option; do
    case "$option" in
      fillfactor=*) fillfactor=${option#*=} ;;
      threshold=*) threshold=${option#*=} ;;
      naptime=*) naptime=${option#*=} ;;
      vacuum=*) vacuum=${option#*=} ;;
      *) echo "index_choice: no option $option" >&2; exit 2 ;;
    esac
  done < <(tr ',' '\n' <<<"$variant" | tail -n +2)
  case "$name" in
    A) ready_index=true update_index=true places=false ;;
    C) update_index=true ;;
    D) touched=true ;;
  esac
  local head="tracker.ready WHERE bucket = 0 AND namespace = 'bench' ORDER BY rank, available_us, id LIMIT 100"
  if $ready_index; then
    head="tracker.task WHERE bucket = 0 AND namespace = 'bench' AND status IN (0, 20) ORDER BY priority DESC, available_us, id LIMIT 100"
  fi

  sql -c 'SET client_min_messages = warning' -c 'DROP DATABASE IF EXISTS bench'
  sql -c 'CREATE DATABASE bench TEMPLATE loaded STRATEGY file_copy'
  sql -c "ALTER SYSTEM SET autovacuum_naptime = $naptime" -c 'SELECT pg_reload_conf()' >/dev/null
  sql -d bench -v ready_index="$ready_index" -v update_index="$update_index" -v places="$places" -v touched="$touched" \
    -v fillfactor="$fillfactor" -v threshold="$threshold" -f variant.sql
  awk -v has="$($ready_index && echo ready_index) $($places && echo places) $($touched && echo touched)" '
    /^--if / { skip = index(" " has " ", " " $2 " ") == 0; next }
    /^--end/ { skip = 0; next }
    !skip && !/^--/' cycle.sql >"$work/cycle.sql"
  sizes >"$work/before"

  local vacuumer=
  if [ "$vacuum" -gt 0 ]; then
    "$programs/psql" -X -q -d bench >/dev/null \
      < <(printf 'VACUUM (SKIP_LOCKED, TRUNCATE false) tracker.ready, tracker.alarm \\watch %s\n' "$vacuum") &
    vacuumer=$!
    children+=("$vacuumer")
  fi
  local wal_before wal_after cpu_before cpu_after cycles upd hot upd0 hot0
  read -r upd0 hot0 < <(updates)
  wal_before=$(wal)
  cpu_before=$(cpu)
  bench "$seconds" 0 >"$work/main"
  # Until the server has waited for the processes of pgbench's connections.
  sleep 0.5
  cpu_after=$(cpu)
  wal_after=$(wal)
  sizes >"$work/after"
  bench 5 50000000 >"$work/tail"
  local pages claim rate dead
  pages=$(sql -d bench -c "EXPLAIN (ANALYZE, BUFFERS) SELECT id FROM $head" |
    sed -n 's/.*Buffers: shared hit=\([0-9]*\)\( read=\([0-9]*\)\)\{0,1\}.*/\1 \3/p' | head -n 1 | awk '{ print $1 + $2 }')
  if [ -n "$vacuumer" ]; then
    kill "$vacuumer" 2>/dev/null || true
    wait "$vacuumer" 2>/dev/null || true
    children=("$server")
  fi
  sleep 1
  read -r upd hot < <(updates)
  dead=$(sql -d bench -c "SELECT string_agg(relname || ' ' || n_dead_tup, ', ' ORDER BY relname) FROM pg_stat_user_tables WHERE schemaname = 'tracker'")
  cycles=$(sed -n 's/^number of transactions actually processed: \([0-9]*\).*/\1/p' "$work/main")
  rate=$(sed -n 's/^tps = \([0-9.]*\) .*/\1/p' "$work/main")
  claim=$(awk '/ WITH picked/ { print $1; exit }' "$work/tail")
  [ -z "$details" ] || cp "$work/main" "$details/$turn.$variant"
  awk -v variant="$variant" -v rate="$rate" -v wal="$((wal_after - wal_before))" -v cpu="$((cpu_after - cpu_before))" -v cycles="$cycles" -v upd="$((upd - upd0))" \
    -v hot="$((hot - hot0))" -v claim="$claim" -v pages="$pages" -v sizes="$(changes "$work/before" "$work/after")" -v dead="$dead" \
    'BEGIN { printf "| %s | %.1f | %.2f | %.1f | %.1f %% | %.2f | %s | %s | %s |\n", variant, rate, cpu / cycles, wal / cycles / 1000, 100 * hot / upd,
             claim, pages, sizes, dead }'
}

sql -c 'CREATE DATABASE loaded'
sql -d loaded -v rows="$rows" -f load.sql
echo "$rows tasks, $clients clients, $seconds s a variant, $("$programs/postgres" --version)"
echo
echo "| variant | cycles/s | CPU ms/cycle | WAL kB/cycle | HOT | claim ms | head pages | heap and indexes, MB | dead |"
echo "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
for turn in $(seq "$repeat"); do
  for variant in "${variants[@]}"; do run_variant "$variant"; done
done
