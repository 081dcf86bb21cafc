#include "tests/support/shared_postgres.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <utility>

namespace tracker::testing {
namespace {

std::unique_ptr<PostgresCluster>& Slot() {
  static std::unique_ptr<PostgresCluster> slot;
  return slot;
}

// Stops the cluster while all that it needs is still there.
class StopPostgres : public ::testing::Environment {
 public:
  void TearDown() override { Slot().reset(); }
};
const ::testing::Environment* const kStopPostgres =
    ::testing::AddGlobalTestEnvironment(new StopPostgres);

}  // namespace

PostgresCluster& SharedPostgres(const PostgresClusterOptions& options) {
  auto& slot = Slot();
  if (!slot) {
    auto cluster = PostgresCluster::Start(options);
    if (!cluster.ok()) {
      std::fprintf(stderr, "no PostgreSQL for the tests: %s\n",
                   cluster.status().ToString().c_str());
      std::abort();
    }
    slot = *std::move(cluster);
  }
  return *slot;
}

}  // namespace tracker::testing
