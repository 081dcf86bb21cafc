// The baseline of the benchmarks: pgbench doing by hand what Tracker does, one statement at a time,
// on the same server.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tests/support/postgres_cluster.h"

namespace tracker::bench {

// Which table the updates are done on.
enum class Baseline {
  // Tracker's own table with its indexes: the same work for the database, one statement at a time.
  kSameTable,
  // A hand-rolled status table with nothing but its primary key: the least that such a table needs.
  kBareTable,
};

// Makes the table in `database`, which has Tracker's schema, with `rows` tasks.
absl::Status PreparePgbench(const testing::PostgresCluster& cluster, const std::string& database,
                            Baseline baseline, int rows);

// Cycles a second: two updates each, start and succeed, each committed by itself.
absl::StatusOr<double> RunPgbench(const testing::PostgresCluster& cluster,
                                  const std::string& database, Baseline baseline, int rows,
                                  int clients, absl::Duration duration);

}  // namespace tracker::bench
