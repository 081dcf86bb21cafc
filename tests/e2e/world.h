// The world of an end-to-end test: stores, real trackerds on them, other programs, all gone with
// it. Everything here throws std::runtime_error when it cannot do what it says; the test fails
// then. Used by one thread.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/support/postgres_cluster.h"
#include "tests/support/trackerd_process.h"

namespace tracker::e2e {

enum class Kind { kSqlite, kPostgres };

// For INSTANTIATE_TEST_SUITE_P.
std::string KindName(const ::testing::TestParamInfo<Kind>& info);
inline auto BothKinds() { return ::testing::Values(Kind::kSqlite, Kind::kPostgres); }

// The program of this build: it lies beside the test.
std::string ProgramPath(const std::string& name);

// One PostgreSQL for all tests of the program.
testing::PostgresCluster& SharedPostgres();

// What a program that has ended left behind.
struct Ended {
  int exit_code = -1;
  std::string out;
  std::string err;
};

// A stranger's lock on the whole store, until Unlock or its end.
class StoreLock {
 public:
  virtual ~StoreLock() = default;
  virtual void Unlock() = 0;
};

class World {
 public:
  World();
  // Stops what it has started.
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  const std::string& folder() const { return folder_; }

  // The URL of a fresh, empty store.
  std::string NewStore(Kind kind);

  // Nobody claims anything meanwhile, nor writes.
  std::unique_ptr<StoreLock> LockStore(const std::string& store_url);

  testing::TrackerdProcess& Serve(const std::string& store_url,
                                  const std::vector<std::string>& flags = {});

  // Runs the program (a path) to its end. With `heed_permissions` root may no more than another
  // user may with files of its own.
  Ended Run(const std::vector<std::string>& command, absl::Duration timeout = absl::Seconds(60),
            bool heed_permissions = false);

 private:
  std::string folder_;
  int stores_ = 0;
  int runs_ = 0;
  std::vector<std::unique_ptr<testing::TrackerdProcess>> servers_;
};

// A test with a store of each kind, and a world.
class StoreTest : public ::testing::TestWithParam<Kind> {
 protected:
  World world_;
};

std::string ReadFile(const std::string& path);
void WriteFile(const std::string& path, const std::string& content);

// Polls until the condition holds; false when the time is up before.
template <typename Condition>
bool Await(const Condition& condition, absl::Duration timeout = absl::Seconds(30)) {
  const absl::Time end = absl::Now() + timeout;
  while (!condition()) {
    if (absl::Now() > end) return false;
    absl::SleepFor(absl::Milliseconds(5));
  }
  return true;
}

}  // namespace tracker::e2e
