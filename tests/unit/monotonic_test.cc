#include "src/base/monotonic.h"

#include <gtest/gtest.h>

#include <thread>

#include "absl/time/clock.h"

namespace tracker::base {
namespace {

TEST(Bell, ARingBeforeTheWaitIsNotLostAndIsSeenOnce) {
  Bell bell;
  bell.Ring();
  bell.Ring();
  EXPECT_TRUE(bell.WaitFor(absl::InfiniteDuration()));
  EXPECT_FALSE(bell.WaitFor(absl::Milliseconds(1)));
  EXPECT_FALSE(bell.WaitFor(absl::ZeroDuration()));
  EXPECT_FALSE(bell.WaitFor(-absl::InfiniteDuration()));
}

TEST(Bell, ARingEndsAWait) {
  Bell bell;
  std::thread ringer([&] { bell.Ring(); });
  EXPECT_TRUE(bell.WaitFor(absl::InfiniteDuration()));
  ringer.join();
}

TEST(Monotonic, ADeadlineOfTheWallClockIsAsFarAwayOnThisOne) {
  EXPECT_EQ(MonotonicFromWall(absl::InfiniteFuture()), absl::InfiniteFuture());
  const MonotonicTime deadline = MonotonicFromWall(absl::Now() + absl::Hours(1));
  EXPECT_LE(deadline - MonotonicNow(), absl::Hours(1) + absl::Minutes(1));
  EXPECT_GE(deadline - MonotonicNow(), absl::Hours(1) - absl::Minutes(1));
}

}  // namespace
}  // namespace tracker::base
