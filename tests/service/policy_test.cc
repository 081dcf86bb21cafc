// Policies in memory, and the circuit breaker.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "src/service/breaker.h"
#include "src/service/policy_cache.h"
#include "tests/service/fake_store.h"

namespace tracker::service {
namespace {

using domain::Policy;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class PolicyTest : public ::testing::Test {
 protected:
  int MaxAttempts(const std::string& name_space) {
    const auto policy = policies_.Of(name_space);
    return policy ? policy->max_attempts : 0;
  }

  std::shared_ptr<testing::FakeStore::Control> control_ =
      std::make_shared<testing::FakeStore::Control>();
  testing::FakeStore store_{control_};
  std::vector<std::string> changed_;
  PolicyCache policies_{&store_,
                        [this](const std::string& changed) { changed_.push_back(changed); }};
};

TEST_F(PolicyTest, ARefreshFindsWhatOtherServersHaveChanged) {
  ASSERT_TRUE(policies_.Set({.name_space = "mine", .max_attempts = 4}).ok());
  control_->ChangePolicy({.name_space = "theirs", .max_attempts = 5});
  EXPECT_EQ(MaxAttempts("theirs"), 0);
  ASSERT_TRUE(policies_.Refresh().ok());
  EXPECT_EQ(MaxAttempts("theirs"), 5);
  EXPECT_EQ(MaxAttempts("mine"), 4);
  EXPECT_THAT(changed_, ElementsAre("mine", "theirs"));
  ASSERT_TRUE(store_.DeletePolicy("mine").ok());
  ASSERT_TRUE(policies_.Refresh().ok());
  EXPECT_EQ(policies_.Of("mine"), nullptr);
  EXPECT_THAT(changed_, ElementsAre("mine", "theirs", "mine"));
}

TEST_F(PolicyTest, ARefreshReadsOnlyWhatHasChanged) {
  for (int i = 0; i < 2500; ++i) {
    control_->ChangePolicy({.name_space = absl::StrCat("n", i), .max_attempts = 2});
  }
  ASSERT_TRUE(policies_.Refresh().ok());
  EXPECT_EQ(policies_.All().size(), 2500u);
  EXPECT_EQ(changed_.size(), 2500u);
  control_->policies_read = 0;
  ASSERT_TRUE(policies_.Refresh().ok());
  EXPECT_EQ(control_->policies_read, 0);
  control_->ChangePolicy({.name_space = "n7", .max_attempts = 9});
  ASSERT_TRUE(store_.DeletePolicy("n8").ok());
  ASSERT_TRUE(policies_.Refresh().ok());
  EXPECT_EQ(control_->policies_read, 2);
  EXPECT_EQ(MaxAttempts("n7"), 9);
  EXPECT_EQ(policies_.Of("n8"), nullptr);
  // More than a page of changes.
  for (int i = 0; i < 1500; ++i) {
    control_->ChangePolicy({.name_space = absl::StrCat("n", i), .max_attempts = 3});
  }
  ASSERT_TRUE(policies_.Refresh().ok());
  EXPECT_EQ(control_->policies_read, 1502);
  EXPECT_EQ(MaxAttempts("n1499"), 3);
}

TEST_F(PolicyTest, WhoHasMissedADeletionReadsAllAnew) {
  control_->ChangePolicy({.name_space = "kept", .max_attempts = 2});
  control_->ChangePolicy({.name_space = "gone", .max_attempts = 2});
  ASSERT_TRUE(policies_.Refresh().ok());
  ASSERT_TRUE(store_.DeletePolicy("gone").ok());
  control_->policies_gone.clear();
  control_->policies_forgotten = control_->policy_version;
  ASSERT_TRUE(policies_.Refresh().ok());
  EXPECT_EQ(policies_.Of("gone"), nullptr);
  EXPECT_EQ(MaxAttempts("kept"), 2);
}

TEST_F(PolicyTest, ADatabaseThatWasRestoredIsReadAnew) {
  control_->ChangePolicy({.name_space = "n", .max_attempts = 2});
  control_->policy_version = 50;
  ASSERT_TRUE(policies_.Refresh().ok());
  control_->policy_version = 40;
  control_->policies["n"].max_attempts = 3;
  ASSERT_TRUE(policies_.Refresh().ok());
  EXPECT_EQ(MaxAttempts("n"), 3);
}

TEST_F(PolicyTest, ThereIsABoundOnHowManyThereAre) {
  PolicyCache few(&store_, nullptr, /*most=*/2);
  ASSERT_TRUE(few.Set({.name_space = "a"}).ok());
  ASSERT_TRUE(few.Set({.name_space = "b"}).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(few.Set({.name_space = "c"}).status()));
  EXPECT_TRUE(few.Set({.name_space = "a", .max_attempts = 9}).ok());
  ASSERT_TRUE(few.Delete("b").ok());
  EXPECT_TRUE(few.Set({.name_space = "c"}).ok());
}

TEST_F(PolicyTest, AChangeThroughThisServerHoldsAtOnce) {
  ASSERT_TRUE(policies_.Refresh().ok());
  ASSERT_TRUE(policies_.Set({.name_space = "n", .max_attempts = 4}).ok());
  EXPECT_EQ(MaxAttempts("n"), 4);
  ASSERT_TRUE(policies_.Delete("n").ok());
  EXPECT_EQ(policies_.Of("n"), nullptr);
}

TEST_F(PolicyTest, WhatIsKnownIsKeptWhileTheStoreIsAway) {
  ASSERT_TRUE(policies_.Set({.name_space = "n", .max_attempts = 4}).ok());
  control_->Away(true);
  EXPECT_FALSE(policies_.Refresh().ok());
  EXPECT_FALSE(policies_.Set({.name_space = "n", .max_attempts = 5}).ok());
  EXPECT_EQ(MaxAttempts("n"), 4);
}

TEST_F(PolicyTest, LoadFailsUntilThePoliciesHaveBeenReadOnce) {
  control_->Away(true);
  EXPECT_FALSE(policies_.Load().ok());
  control_->Away(false);
  EXPECT_TRUE(policies_.Load().ok());
  control_->Away(true);
  EXPECT_TRUE(policies_.Load().ok());
}

TEST(Breaker, PausesFromTheShareOnWhenThereAreAttemptsEnough) {
  const domain::PauseOnFailure rule{.share = 0.5, .min_attempts = 20};
  EXPECT_EQ(WhyPause(rule, {.ended = 0, .failed = 0}), "");
  EXPECT_EQ(WhyPause(rule, {.ended = 19, .failed = 19}), "");
  EXPECT_EQ(WhyPause(rule, {.ended = 20, .failed = 9}), "");
  EXPECT_EQ(WhyPause(rule, {.ended = 20, .failed = 17}),
            "17 of the last 20 attempts, 85 %, failed within 1m");
  EXPECT_NE(WhyPause(rule, {.ended = 20, .failed = 10}), "");
}

class BreakerTest : public PolicyTest {
 protected:
  // What was paused.
  std::vector<std::string> Look() {
    std::vector<std::string> paused;
    PauseFailing(store_, policies_,
                 [&](const Policy& policy) { paused.push_back(policy.name_space); });
    return paused;
  }
  void Set(const std::string& name_space, bool with_breaker) {
    Policy policy{.name_space = name_space};
    if (with_breaker) policy.pause_on_failure = domain::PauseOnFailure{};
    ASSERT_TRUE(policies_.Set(policy).ok());
    control_->attempts[name_space] = {.ended = 100, .failed = 90};
  }
};

TEST_F(BreakerTest, PausesANamespaceThatFailsOnceAndSaysWhy) {
  Set("failing", true);
  Set("failing without a breaker", false);
  EXPECT_THAT(Look(), ElementsAre("failing"));
  EXPECT_TRUE(control_->policies["failing"].paused);
  EXPECT_EQ(control_->policies["failing"].pause_reason,
            "90 of the last 100 attempts, 90 %, failed within 1m");
  EXPECT_TRUE(policies_.Of("failing")->paused);
  EXPECT_THAT(Look(), IsEmpty());
}

TEST_F(BreakerTest, AsksForManyNamespacesAtOnceAndForNoneThatIsIdle) {
  EXPECT_THAT(Look(), IsEmpty());
  EXPECT_EQ(control_->attempt_looks, 0) << "no policy asks for it";
  for (int i = 0; i < 2500; ++i) {
    Policy policy{.name_space = absl::StrCat("n", 1000 + i)};
    policy.pause_on_failure = domain::PauseOnFailure{};
    ASSERT_TRUE(policies_.Set(policy).ok());
  }
  EXPECT_THAT(Look(), IsEmpty());
  EXPECT_EQ(control_->attempt_looks, 1);
  // Two statements a page, of a thousand.
  for (int i = 0; i < 2500; ++i) control_->attempts[absl::StrCat("n", 1000 + i)] = {.ended = 100};
  control_->attempts["n3499"] = {.ended = 100, .failed = 100};
  control_->attempt_looks = 0;
  EXPECT_THAT(Look(), ElementsAre("n3499"));
  EXPECT_EQ(control_->attempt_looks, 6);
}

TEST_F(BreakerTest, LeavesAPolicyAloneThatSomebodyHasChangedMeanwhile) {
  Set("n", true);
  control_->ChangePolicy({.name_space = "n", .max_attempts = 9});
  EXPECT_THAT(Look(), IsEmpty());
  EXPECT_FALSE(control_->policies["n"].paused);
  EXPECT_EQ(control_->policies["n"].max_attempts, 9);
}

}  // namespace
}  // namespace tracker::service
