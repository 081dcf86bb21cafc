#include "src/domain/policy.h"

#include <gtest/gtest.h>

namespace tracker::domain {
namespace {

TEST(BackoffDelayTest, NoneByDefault) {
  EXPECT_EQ(BackoffDelay({}, 1, 0), absl::ZeroDuration());
  EXPECT_EQ(BackoffDelay({}, 1000, 0.9), absl::ZeroDuration());
}

TEST(BackoffDelayTest, GrowsUpToTheMaximum) {
  const Backoff backoff = {.initial = absl::Seconds(1), .multiplier = 3, .max = absl::Seconds(20)};
  EXPECT_EQ(BackoffDelay(backoff, 1, 0), absl::Seconds(1));
  EXPECT_EQ(BackoffDelay(backoff, 2, 0), absl::Seconds(3));
  EXPECT_EQ(BackoffDelay(backoff, 3, 0), absl::Seconds(9));
  EXPECT_EQ(BackoffDelay(backoff, 4, 0), absl::Seconds(20));
  // Where the growth is beyond any number.
  EXPECT_EQ(BackoffDelay(backoff, 1'000'000, 0), absl::Seconds(20));
}

TEST(BackoffDelayTest, JitterOnlyShortens) {
  const Backoff backoff = {
      .initial = absl::Seconds(10), .multiplier = 1, .max = absl::Hours(1), .jitter = 0.4};
  EXPECT_EQ(BackoffDelay(backoff, 1, 0), absl::Seconds(10));
  EXPECT_EQ(BackoffDelay(backoff, 1, 0.5), absl::Seconds(8));
  for (double random : {0.0, 0.1, 0.7, 0.999}) {
    EXPECT_GE(BackoffDelay(backoff, 1, random), absl::Seconds(6));
    EXPECT_LE(BackoffDelay(backoff, 1, random), absl::Seconds(10));
  }
}

TEST(BackoffDelayTest, OddPoliciesStayWithinBounds) {
  EXPECT_EQ(BackoffDelay({.initial = absl::Seconds(-1)}, 3, 0), absl::ZeroDuration());
  // A multiplier below one does not shrink, an attempt below one is the first.
  EXPECT_EQ(BackoffDelay({.initial = absl::Seconds(2), .multiplier = 0.1}, 5, 0), absl::Seconds(2));
  EXPECT_EQ(BackoffDelay({.initial = absl::Seconds(2)}, -7, 0), absl::Seconds(2));
  EXPECT_EQ(BackoffDelay({.initial = absl::Seconds(2), .jitter = 50}, 1, 0.999),
            absl::Milliseconds(2));
}

TEST(BackoffDelayTest, IsWholeMicroseconds) {
  const Backoff backoff = {.initial = absl::Nanoseconds(1'234'567), .jitter = 0.3};
  const absl::Duration delay = BackoffDelay(backoff, 1, 0.1);
  EXPECT_EQ(delay, absl::Floor(delay, absl::Microseconds(1)));
}

}  // namespace
}  // namespace tracker::domain
