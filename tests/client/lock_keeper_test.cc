// Heartbeats and the watchdog, on a clock that is moved by hand.
#include "client/src/lock_keeper.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

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

TEST(LockKeeper, LocksOfManyMomentsComeTogether) {
  Harness h;
  std::vector<TaskGuard> guards;
  for (int i = 0; i < 100; ++i) {
    guards.push_back(h.Start());
    h.clock.Advance(absl::Milliseconds(25));
  }
  const auto begin = h.clock.Now();
  while (h.clock.Now() < begin + absl::Minutes(10)) {
    const auto next = h.core->keeper().RunOnce();
    h.clock.Advance(std::max(next - h.clock.Now(), absl::ZeroDuration()));
  }
  for (TaskGuard& guard : guards) EXPECT_TRUE(guard.held());
  // A third of 9 s, less up to 15 % of it.
  EXPECT_LE(h.server->batches.size(), 600 / 2.55 + 5);
  EXPECT_EQ(h.server->batches.back().operations_size(), 100);
  for (TaskGuard& guard : guards) std::move(guard).Detach();
}

TEST(LockKeeper, TimeLimitEndsRenewalsAndStopsTheToken) {
  Harness h;
  TaskGuard limited = *h.client->Start("jobs", "a", {.time_limit = absl::Minutes(1)});
  TaskGuard other = h.Start();
  const auto begin = h.clock.Now();
  while (!limited.stop_token().stop_requested()) {
    ASSERT_LE(h.clock.Now(), begin + absl::Minutes(1));
    const auto next = h.core->keeper().RunOnce();
    h.clock.Advance(std::max(next - h.clock.Now(), absl::ZeroDuration()));
    EXPECT_EQ(limited.held(), limited.lost().ok());
  }
  EXPECT_GE(h.clock.Now(), begin + absl::Minutes(1));
  EXPECT_TRUE(absl::IsDeadlineExceeded(limited.lost())) << limited.lost();
  EXPECT_FALSE(limited.held());
  EXPECT_TRUE(other.held());
  h.clock.Advance(absl::Seconds(4));
  h.core->keeper().RunOnce();
  EXPECT_EQ(h.server->batches.back().operations_size(), 1) << "only the other is renewed";
  EXPECT_TRUE(std::move(limited).Release().ok()) << "its report is still made";
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
  EXPECT_TRUE(absl::IsDeadlineExceeded(guard.lost())) << guard.lost();
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
  TaskGuard other = *client.Start("jobs", "b");
  while (!guard.stop_token().stop_requested()) std::this_thread::yield();
  EXPECT_FALSE(guard.held());
  EXPECT_TRUE(other.held());
}

TEST(LockKeeper, LastReferenceMayGoOnItsOwnThread) {
  FakeClock clock;
  auto server = std::make_shared<ScriptedTransport>(&clock);
  std::atomic<bool> gone = false;
  {
    auto guard = std::make_unique<TaskGuard>(
        *Client(std::make_shared<internal::ClientCore>(server, ClientOptions{}, &clock, true))
             .Start("jobs", "a"));
    // The guard is the last that holds the client's parts; it ends on the heartbeat thread.
    const std::stop_token token = guard->stop_token();
    std::stop_callback callback(token, [&] {
      guard.reset();
      gone = true;
    });
    clock.Advance(absl::Hours(1));
    while (!gone) std::this_thread::yield();
  }
  EXPECT_EQ(server->Count(v1::Operation::kFail), 1);
}

}  // namespace
}  // namespace tracker::testing
