// Runs psql and pgbench against a private cluster.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tests/support/postgres_cluster.h"

namespace tracker::bench {

// Any number of statements; stops at the first that fails.
absl::Status RunSql(const testing::PostgresCluster& cluster, const std::string& database,
                    const std::string& sql);

// How often a second `clients` together ran the script, with prepared statements.
absl::StatusOr<double> RunPgbenchScript(const testing::PostgresCluster& cluster,
                                        const std::string& database, const std::string& script,
                                        int clients, absl::Duration duration);

}  // namespace tracker::bench
