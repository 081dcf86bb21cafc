// The servers of one run, and its output. Thread-compatible.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "tests/bench/options.h"
#include "tests/support/postgres_cluster.h"
#include "tests/support/trackerd_process.h"

namespace tracker::bench {

// The database that trackerd uses.
inline constexpr char kDatabase[] = "tracker";

struct Servers {
  std::unique_ptr<testing::PostgresCluster> cluster;
  std::unique_ptr<testing::TrackerdProcess> trackerd;

  std::string DatabaseUrl() const { return cluster->Url(kDatabase); }
};

absl::StatusOr<Servers> StartServers(const Options& options);

// Prints a line at once.
void Say(const std::string& line);

}  // namespace tracker::bench
