// FakeTracker's store: a step of its clock is one with the end of the leases that it runs out.
#include "client/testing/stepped_store.h"

#include <gtest/gtest.h>

#include <future>

#include "client/testing/moved_clock.h"
#include "client/testing/temporary_folder.h"
#include "src/base/token.h"
#include "src/store/sqlite/sqlite_store.h"

namespace tracker::testing {
namespace {

domain::Outcome Apply(store::Store& store, const std::string& lock, domain::Action action) {
  const domain::Command command{.key = {"jobs", "a"}, .token = lock, .action = std::move(action)};
  return store.Apply({&command}).at(0);
}

TEST(SteppedStore, AHeartbeatDuringAStepDoesNotSaveALeaseThatIsOver) {
  const auto folder = TemporaryFolder::Make();
  ASSERT_TRUE(folder.ok()) << folder.status();
  MovedClock clock;
  store::OpenOptions options;
  options.clock_offset = [&clock] { return clock.offset(); };
  auto file = store::OpenSqlite(((*folder)->path() / "tracker.db").string(), options);
  ASSERT_TRUE(file.ok()) << file.status();
  SteppedStore store(*std::move(file));
  const std::string lock = NewLockToken();
  ASSERT_TRUE(
      Apply(store, lock, domain::Start{.lease = absl::Hours(1), .create_if_missing = true}).ok());

  std::future<domain::Outcome> late;
  const absl::Status stepped = store.Step([&] {
    clock.Advance(absl::Hours(1));
    late = std::async(std::launch::async, [&] { return Apply(store, lock, domain::Heartbeat{}); });
    EXPECT_EQ(late.wait_for(std::chrono::milliseconds(50)), std::future_status::timeout);
  });
  EXPECT_TRUE(stepped.ok()) << stepped;
  EXPECT_EQ(late.get().reason, domain::Reason::kLockLost);
}

}  // namespace
}  // namespace tracker::testing
