#include "src/service/admission.h"

#include <gtest/gtest.h>

namespace tracker::service {
namespace {

constexpr size_t kBatch = 500;

class AdmissionTest : public ::testing::Test {
 protected:
  // A commit of so many commands that takes so long.
  void Commit(size_t commands, absl::Duration took) {
    admission_.Began(commands, now_);
    now_ += took;
    admission_.Ended(now_);
  }
  // Commits take 10 ms, and 0.2 ms for each command.
  void LearnPace() {
    for (const size_t commands : {100, 300, 500, 200, 400}) {
      Commit(commands, absl::Milliseconds(10) + commands * absl::Microseconds(200));
    }
  }
  static void ExpectNear(absl::Duration duration, absl::Duration expected) {
    EXPECT_NEAR(absl::ToDoubleMilliseconds(duration), absl::ToDoubleMilliseconds(expected), 0.1);
  }

  Admission admission_{kBatch};
  absl::Time now_ = absl::FromUnixSeconds(1000);
};

TEST_F(AdmissionTest, WithoutKnowledgeNothingIsTurnedAway) {
  admission_.Began(1, now_);
  EXPECT_TRUE(admission_.Admits(1'000'000, {.begins_work = true}, now_));
}

TEST_F(AdmissionTest, SmallCommitsTeachNothing) {
  Commit(1, absl::Seconds(10));
  EXPECT_EQ(admission_.TimeFor(1000), absl::ZeroDuration());
}

TEST_F(AdmissionTest, LearnsTheFixedPartOfACommitAndTheRest) {
  LearnPace();
  ExpectNear(admission_.TimeFor(1), absl::Milliseconds(10.2));
  ExpectNear(admission_.TimeFor(500), absl::Milliseconds(110));
  ExpectNear(admission_.TimeFor(1000), absl::Milliseconds(220));
}

TEST_F(AdmissionTest, CommitsOfOneSizeAreInProportion) {
  for (int i = 0; i < 5; ++i) Commit(200, absl::Milliseconds(50));
  ExpectNear(admission_.TimeFor(400), absl::Milliseconds(100));
}

// The database stood still, and goes on as before.
TEST_F(AdmissionTest, OneCommitThatStoodStillTurnsNobodyAwayAfterwards) {
  for (int i = 0; i < 5; ++i) LearnPace();
  Commit(200, absl::Seconds(15));
  admission_.Began(200, now_);
  EXPECT_TRUE(admission_.Admits(200, {.commands = 100, .begins_work = true}, now_));
}

TEST_F(AdmissionTest, CommitsThatHaveBecomeSlowAreNoticed) {
  LearnPace();
  for (int i = 0; i < 20; ++i) Commit(200, absl::Seconds(2));
  admission_.Began(200, now_);
  EXPECT_FALSE(admission_.Admits(100, {.begins_work = true}, now_));
}

TEST_F(AdmissionTest, WhatNothingConfirmsIsForgotten) {
  for (int i = 0; i < 5; ++i) Commit(100, absl::Seconds(1));
  Commit(10, absl::Seconds(9));
  EXPECT_GT(admission_.TimeFor(100), absl::ZeroDuration());
  Commit(10, absl::Seconds(2));
  EXPECT_EQ(admission_.TimeFor(100), absl::ZeroDuration());
}

TEST_F(AdmissionTest, WhatWouldWaitForTooLongIsTurnedAwayAndNewWorkFirst) {
  LearnPace();
  admission_.Began(500, now_);
  // 110 ms of the commit that runs, and 220 ms for each thousand before it.
  const Arrival begins{.begins_work = true}, ends{};
  EXPECT_TRUE(admission_.Admits(1500, begins, now_));
  EXPECT_FALSE(admission_.Admits(2000, begins, now_));
  EXPECT_TRUE(admission_.Admits(2000, ends, now_));
  EXPECT_TRUE(admission_.Admits(4000, ends, now_));
  EXPECT_FALSE(admission_.Admits(4500, ends, now_));
}

TEST_F(AdmissionTest, WhoHasLittleTimeLeftIsTurnedAwayBefore) {
  LearnPace();
  admission_.Began(500, now_);
  EXPECT_TRUE(admission_.Admits(0, {.deadline = now_ + absl::Milliseconds(400)}, now_));
  EXPECT_FALSE(admission_.Admits(0, {.deadline = now_ + absl::Milliseconds(300)}, now_));
  // As the commit goes on there is less to wait for.
  const absl::Time later = now_ + absl::Milliseconds(100);
  EXPECT_TRUE(admission_.Admits(0, {.deadline = later + absl::Milliseconds(300)}, later));
  EXPECT_TRUE(admission_.Admits(0, {.deadline = now_}, now_)) << "it is told that it is too late";
}

TEST_F(AdmissionTest, AnIdleLaneTriesWhateverComes) {
  LearnPace();
  EXPECT_TRUE(
      admission_.Admits(0, {.commands = 500, .deadline = now_ + absl::Milliseconds(1)}, now_));
}

TEST_F(AdmissionTest, CallersAreToldToComeBackOneAfterAnother) {
  for (int i = 0; i < 5; ++i) Commit(100, absl::Milliseconds(25));
  // A quarter of a millisecond each, and a quarter of what is served comes back.
  EXPECT_EQ(admission_.RetryAfter(1, now_), limits::kMinOverloadedRetry);
  ExpectNear(admission_.RetryAfter(1, now_) - limits::kMinOverloadedRetry, absl::Milliseconds(1));
  for (int i = 0; i < 500; ++i) admission_.RetryAfter(1, now_);
  ExpectNear(admission_.RetryAfter(1, now_) - limits::kMinOverloadedRetry, absl::Milliseconds(502));
  for (int i = 0; i < 10'000; ++i) admission_.RetryAfter(1, now_);
  EXPECT_EQ(admission_.RetryAfter(1, now_), limits::kMaxOverloadedRetry);
  // Those who come back are forgotten with time.
  now_ += absl::Seconds(10);
  EXPECT_EQ(admission_.RetryAfter(1, now_), limits::kMinOverloadedRetry);
}

}  // namespace
}  // namespace tracker::service
