// Heartbeats and the watchdog, on a clock that is moved by hand.
#include "client/src/lock_keeper.h"

#include <gtest/gtest.h>

#include "tests/client/scripted_transport.h"

namespace tracker::testing {
namespace {

TEST(LockKeeper, RenewsAtAThirdOfTheLease) {
  Harness h;
  TaskGuard guard = h.Start();
  internal::LockKeeper& keeper = h.core->keeper();
  const auto first = keeper.RunOnce();
  EXPECT_TRUE(h.server->batches.empty());
  EXPECT_GE(first - h.clock.Now(), absl::Seconds(9) / 3 * 0.84);
  EXPECT_LE(first - h.clock.Now(), absl::Seconds(9) / 3);
  // For an hour, each time it wants to run.
  for (auto next = first; h.clock.Now() < absl::FromUnixSeconds(1000) + absl::Hours(1);) {
    h.clock.Advance(next - h.clock.Now());
    next = keeper.RunOnce();
    ASSERT_TRUE(guard.held());
  }
  EXPECT_NEAR(static_cast<double>(h.server->batches.size()), 3600 / 3.0 / 0.925, 60);
  EXPECT_EQ(h.server->batches[0].operations(0).heartbeat().lock(), guard.lock());
  EXPECT_FALSE(h.server->batches[0].operations(0).heartbeat().has_lease()) << "as it was started";
}

TEST(LockKeeper, AllLocksTravelInOneBatch) {
  Harness h;
  std::vector<TaskGuard> guards;
  for (int i = 0; i < 1500; ++i) guards.push_back(h.Start());
  h.clock.Advance(absl::Seconds(3));
  h.core->keeper().RunOnce();
  ASSERT_EQ(h.server->batches.size(), 2u);
  EXPECT_EQ(h.server->batches[0].operations_size(), 1000);
  EXPECT_EQ(h.server->batches[1].operations_size(), 500);
  for (TaskGuard& guard : guards) std::move(guard).Detach();
}

TEST(LockKeeper, LostLockStopsOnlyItsOwnToken) {
  Harness h;
  TaskGuard lost = h.Start(), kept = h.Start();
  int told = 0;
  std::stop_callback callback(lost.stop_token(), [&told] { ++told; });
  h.server->FailNext({LockLost()});
  h.clock.Advance(absl::Seconds(3));
  h.core->keeper().RunOnce();
  h.core->keeper().RunOnce();
  EXPECT_TRUE(lost.stop_token().stop_requested());
  EXPECT_FALSE(lost.held());
  EXPECT_EQ(told, 1);
  EXPECT_TRUE(kept.held());
  h.clock.Advance(absl::Seconds(3));
  h.core->keeper().RunOnce();
  EXPECT_EQ(h.server->batches.back().operations_size(), 1) << "the lost one is left alone";
}

TEST(LockKeeper, DeletedTaskCountsAsLost) {
  Harness h;
  TaskGuard guard = h.Start();
  h.server->FailNext({Refusal(absl::StatusCode::kNotFound, "TASK_NOT_FOUND")});
  h.clock.Advance(absl::Seconds(3));
  h.core->keeper().RunOnce();
  h.core->keeper().RunOnce();
  EXPECT_TRUE(guard.stop_token().stop_requested());
}

TEST(LockKeeper, UnreachableServerIsAskedAgainSoonAndThenTheTokenStopsInTime) {
  Harness h;
  TaskGuard guard = h.Start();
  const auto end = h.clock.Now() + h.server->lease;
  h.server->FailNext(std::vector<absl::Status>(1000, absl::UnavailableError("gone")));
  while (!guard.stop_token().stop_requested()) {
    ASSERT_LT(h.clock.Now(), end) << "the lease is over, and nobody was told";
    const auto next = h.core->keeper().RunOnce();
    if (next == absl::InfiniteFuture()) break;
    h.clock.Advance(next - h.clock.Now());
  }
  EXPECT_TRUE(guard.stop_token().stop_requested());
  EXPECT_LT(h.clock.Now(), end);
  EXPECT_GE(h.server->batches.size(), 6u);
}

TEST(LockKeeper, HungServerDoesNotHoldUpTheWatch) {
  Harness h;
  TaskGuard guard = h.Start();
  h.server->hang = true;
  h.clock.Advance(absl::Seconds(3));
  h.core->keeper().RunOnce();
  ASSERT_EQ(h.server->batches.size(), 1u);
  EXPECT_LT(h.server->timeouts.back(), absl::Seconds(6)) << "a second try within the lease";
  h.clock.Advance(absl::Seconds(5.5));
  h.core->keeper().RunOnce();
  EXPECT_TRUE(guard.stop_token().stop_requested());
  h.server->EndHung(absl::CancelledError(""));
}

TEST(LockKeeper, LeaseCountsFromBeforeTheRequestWasSent) {
  Harness h;
  h.server->latency = absl::Seconds(5);
  TaskGuard guard = h.Start();
  h.clock.Advance(absl::Seconds(3.5));  // 8.5 of 9 s since it was sent
  EXPECT_FALSE(guard.held());
  h.core->keeper().RunOnce();
  EXPECT_TRUE(guard.stop_token().stop_requested());
}

TEST(LockKeeper, AfterALongStopHeldIsRightAtOnce) {
  Harness h;
  TaskGuard guard = h.Start();
  h.clock.Advance(absl::Hours(1));
  EXPECT_FALSE(guard.held());
  EXPECT_FALSE(guard.stop_token().stop_requested());
  h.core->keeper().RunOnce();
  EXPECT_TRUE(guard.stop_token().stop_requested());
  EXPECT_TRUE(h.server->batches.empty()) << "a lock that may be another's is not renewed";
}

TEST(LockKeeper, ClosedGuardIsLeftAlone) {
  Harness h;
  TaskGuard guard = h.Start();
  const std::stop_token token = guard.stop_token();
  EXPECT_TRUE(std::move(guard).Succeed().ok());
  h.clock.Advance(absl::Hours(1));
  EXPECT_EQ(h.core->keeper().RunOnce(), absl::InfiniteFuture());
  EXPECT_TRUE(h.server->batches.empty());
  EXPECT_FALSE(token.stop_requested());
}

TEST(LockKeeper, OwnThreadRenewsAndStops) {
  FakeClock clock;
  auto server = std::make_shared<ScriptedTransport>(&clock);
  auto core = std::make_shared<internal::ClientCore>(server, ClientOptions{}, &clock, true);
  Client client(core);
  TaskGuard guard = *client.Start("jobs", "a");
  clock.Advance(absl::Hours(1));
  // The loop looks at the clock at least once a second; a new lock makes it look now.
  TaskGuard other = *client.Start("jobs", "b");
  while (!guard.stop_token().stop_requested()) std::this_thread::yield();
  EXPECT_FALSE(guard.held());
  EXPECT_TRUE(other.held());
}

}  // namespace
}  // namespace tracker::testing
