// The baseline of the benchmarks: pgbench doing by hand what Tracker does, one statement at a time,
// on the same server.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tests/support/postgres_cluster.h"

namespace tracker::bench {

struct PgbenchRun {
  int clients = 0;
  // Two updates each, start and succeed, each committed by itself.
  double cycles_per_second = 0;
};

// Makes the hand-rolled status table in `database`, with `rows` tasks. Its columns are Tracker's;
// its only index is the primary key, which is what makes the baseline as quick as it can be.
absl::Status PreparePgbench(const testing::PostgresCluster& cluster, const std::string& database,
                            int rows);

absl::StatusOr<PgbenchRun> RunPgbench(const testing::PostgresCluster& cluster,
                                      const std::string& database, int rows, int clients,
                                      absl::Duration duration);

}  // namespace tracker::bench
