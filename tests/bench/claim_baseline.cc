#include "tests/bench/claim_baseline.h"

#include "absl/strings/str_format.h"
#include "tests/bench/pgbench_program.h"

namespace tracker::bench {
namespace {

// What such a table needs, and no more: tasks are found by what makes them next, and by their id.
constexpr char kTable[] = R"(
DROP TABLE IF EXISTS queue;
CREATE TABLE queue (
  id text PRIMARY KEY, status smallint NOT NULL, priority integer NOT NULL,
  available_us bigint NOT NULL, attempts integer NOT NULL, fence bigint NOT NULL,
  create_us bigint NOT NULL, update_us bigint NOT NULL, worker text NOT NULL, lock text NOT NULL,
  lock_us bigint NOT NULL, lock_expire_us bigint NOT NULL, data json, errors json
) WITH (fillfactor = 80);
CREATE INDEX queue_next ON queue (status, priority DESC, available_us);
INSERT INTO queue
SELECT 'task-' || i, 0, 0, i, 0, 0, 0, 0, '', '', 0, 0, NULL, NULL
FROM generate_series(1, %d) AS i;
VACUUM ANALYZE queue;
)";

// \gset ends the client where there is no task left, and so the run.
constexpr char kScript[] = R"(
\set lock random(1, 1000000000000)
UPDATE queue SET status = 10, attempts = attempts + 1, fence = fence + 1, worker = 'bench', lock = :lock::text, lock_us = (extract(epoch FROM now()) * 1000000)::bigint, lock_expire_us = (extract(epoch FROM now()) * 1000000)::bigint + 900000000, update_us = (extract(epoch FROM now()) * 1000000)::bigint WHERE id = (SELECT id FROM queue WHERE status = 0 AND available_us <= (extract(epoch FROM now()) * 1000000)::bigint ORDER BY priority DESC, available_us FOR UPDATE SKIP LOCKED LIMIT 1) RETURNING id \gset
UPDATE queue SET status = 40, lock_expire_us = 0, update_us = (extract(epoch FROM now()) * 1000000)::bigint WHERE id = :id AND lock = :lock::text AND status = 10;
)";

}  // namespace

absl::Status PrepareClaimBaseline(const Servers& servers, int64_t rows) {
  return RunSql(*servers.cluster, kDatabase, absl::StrFormat(kTable, rows));
}

absl::Status DropClaimBaseline(const Servers& servers) {
  return RunSql(*servers.cluster, kDatabase, "DROP TABLE queue;");
}

absl::StatusOr<double> RunClaimBaseline(const Servers& servers, int clients,
                                        absl::Duration duration) {
  return RunPgbenchScript(*servers.cluster, kDatabase, kScript, clients, duration);
}

}  // namespace tracker::bench
