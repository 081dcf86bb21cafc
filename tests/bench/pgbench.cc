#include "tests/bench/pgbench.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "tests/bench/pgbench_program.h"

namespace tracker::bench {
namespace {

constexpr char kSameTable[] = R"(
CREATE TABLE same_table (LIKE tracker.task INCLUDING ALL) WITH (fillfactor = 80);
INSERT INTO same_table (bucket, namespace, id, status, attempts, max_attempts, priority, fence,
  create_us, update_us, available_us, worker, lock, lock_us, lock_expire_us, lease_us)
SELECT 0, 'bench', 'task-' || i, 0, 0, 3, 0, 0, 0, 0, 0, '', '', 0, 0, 0
FROM generate_series(1, %d) AS i;
VACUUM ANALYZE same_table;
)";

constexpr char kBareTable[] = R"(
CREATE TABLE bare_table (
  bucket integer NOT NULL, namespace text NOT NULL, id text NOT NULL, status smallint NOT NULL,
  attempts integer NOT NULL, max_attempts integer NOT NULL, priority integer NOT NULL,
  fence bigint NOT NULL, create_us bigint NOT NULL, update_us bigint NOT NULL,
  available_us bigint NOT NULL, worker text NOT NULL, lock text NOT NULL, lock_us bigint NOT NULL,
  lock_expire_us bigint NOT NULL, lease_us bigint NOT NULL, data json, errors json,
  PRIMARY KEY (bucket, namespace, id)) WITH (fillfactor = 80);
INSERT INTO bare_table
SELECT 0, 'bench', 'task-' || i, 0, 0, 3, 0, 0, 0, 0, 0, '', '', 0, 0, 0, NULL, NULL
FROM generate_series(1, %d) AS i;
VACUUM ANALYZE bare_table;
)";

// What a careful hand-rolled worker does: take the task if nobody holds it, finish it if the lock
// is still its own. Each statement commits by itself. TABLE and ROWS are filled in.
constexpr char kScript[] = R"(
\set i random(1, ROWS)
\set lock random(1, 1000000000)
UPDATE TABLE SET status = 10, attempts = attempts + 1, fence = fence + 1, worker = 'bench', lock = :lock::text, lock_us = (extract(epoch FROM now()) * 1000000)::bigint, lock_expire_us = (extract(epoch FROM now()) * 1000000)::bigint + 900000000, lease_us = 900000000, update_us = (extract(epoch FROM now()) * 1000000)::bigint WHERE bucket = 0 AND namespace = 'bench' AND id = 'task-' || :i AND (status <> 10 OR lock_expire_us < (extract(epoch FROM now()) * 1000000)::bigint);
UPDATE TABLE SET status = 40, lock_expire_us = 0, update_us = (extract(epoch FROM now()) * 1000000)::bigint WHERE bucket = 0 AND namespace = 'bench' AND id = 'task-' || :i AND status = 10 AND lock = :lock::text;
)";

const char* TableOf(Baseline baseline) {
  return baseline == Baseline::kSameTable ? "same_table" : "bare_table";
}

}  // namespace

absl::Status PreparePgbench(const testing::PostgresCluster& cluster, const std::string& database,
                            Baseline baseline, int rows) {
  return RunSql(cluster, database,
                baseline == Baseline::kSameTable ? absl::StrFormat(kSameTable, rows)
                                                 : absl::StrFormat(kBareTable, rows));
}

absl::StatusOr<double> RunPgbench(const testing::PostgresCluster& cluster,
                                  const std::string& database, Baseline baseline, int rows,
                                  int clients, absl::Duration duration) {
  const std::string script =
      absl::StrReplaceAll(kScript, {{"ROWS", absl::StrCat(rows)}, {"TABLE", TableOf(baseline)}});
  return RunPgbenchScript(cluster, database, script, clients, duration);
}

}  // namespace tracker::bench
