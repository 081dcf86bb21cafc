// A Claim that is repeated, because its answer was lost: it gets what it had got, and nothing more.
#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/conformance/claim_store_test.h"

namespace tracker::store {
namespace {

using domain::Heartbeat;
using domain::Ignore;
using domain::Start;
using domain::Succeed;
using domain::Task;

class ClaimRepeatTest : public ClaimStoreTest {};
INSTANTIATE_FOR_ALL_STORES(ClaimRepeatTest);

TEST_P(ClaimRepeatTest, GetsTheSameTasks) {
  CreateInOrder(Numbered("t", 10));
  const std::string token = NewLockToken();
  const std::vector<Task> first = Claim(3, token);
  ASSERT_EQ(first.size(), 3u);
  const std::unique_ptr<Store> other = OpenAnother();
  // Also when it asks for more, and from another server.
  for (Store* store : {&this->store(), other.get()}) {
    for (const int limit : {1, 3, 10}) {
      const std::vector<Task> again = Claim(*store, QueryOf({OrderOf(limit, token)})).at(0);
      EXPECT_EQ(Sorted(IdsOf(again)), Sorted(IdsOf(first)));
      for (const Task& task : again) EXPECT_EQ(task.lock, token);
    }
  }
  EXPECT_EQ(Claim(10).size(), 7u) << "the others are still there";
}

TEST_P(ClaimRepeatTest, GetsWhatItsTokenStillHolds) {
  CreateInOrder({"done", "taken", "ignored", "held", "free"});
  const std::string token = NewLockToken();
  ASSERT_EQ(ClaimIds(4, token), (Ids{"done", "taken", "ignored", "held"}));
  ASSERT_OK(Apply(Make("done", Succeed{}, token)));
  ASSERT_OK(Apply(Make("taken", Start{.ignore_lock = true})));
  ASSERT_OK(Apply(Make("ignored", Ignore{})));
  ASSERT_OK(Apply(Make("held", Heartbeat{.data = R"({"n":2})"}, token)));
  const std::vector<Task> again = Claim(4, token);
  ASSERT_EQ(IdsOf(again), Ids{"held"});
  EXPECT_EQ(again[0].data, R"({"n":2})");
}

TEST_P(ClaimRepeatTest, ASpentTokenGetsNothing) {
  CreateInOrder({"a", "b"});
  const std::string token = NewLockToken();
  ASSERT_EQ(ClaimIds(1, token), Ids{"a"});
  ASSERT_OK(Apply(Make("a", Succeed{}, token)));
  EXPECT_EQ(ClaimIds(1, token), Ids{});
  EXPECT_EQ(ClaimIds(1), Ids{"b"});
}

TEST_P(ClaimRepeatTest, OneThatGotNothingMayGetSomethingLater) {
  const std::string token = NewLockToken();
  EXPECT_EQ(ClaimIds(1, token), Ids{});
  CreateInOrder({"a"});
  EXPECT_EQ(ClaimIds(1, token), Ids{"a"});
}

TEST_P(ClaimRepeatTest, RepeatedOnesAndNewOnesAreServedTogether) {
  CreateInOrder({"a", "b", "c"});
  const std::string token = NewLockToken();
  ASSERT_EQ(ClaimIds(1, token), Ids{"a"});
  const auto tasks = Claim(store(), QueryOf({OrderOf(1), OrderOf(1, token), OrderOf(5)}));
  EXPECT_EQ(IdsOf(tasks[0]), Ids{"b"});
  EXPECT_EQ(IdsOf(tasks[1]), Ids{"a"});
  EXPECT_EQ(IdsOf(tasks[2]), Ids{"c"});
}

TEST_P(ClaimRepeatTest, SaysWhetherTheTokenWasUsedBefore) {
  CreateInOrder({"a"});
  const std::string token = NewLockToken();
  EXPECT_EQ(Value(store().Claim(QueryOf({OrderOf(1, token)}))).recalls.at(0), ClaimRecall::kNew);
  EXPECT_EQ(Value(store().Claim(QueryOf({OrderOf(1, token)}))).recalls.at(0),
            ClaimRecall::kRecalled);
  ASSERT_OK(Apply(Make("a", Succeed{}, token)));
  const ClaimAnswer spent = Value(store().Claim(QueryOf({OrderOf(1, token)})));
  EXPECT_EQ(spent.recalls.at(0), ClaimRecall::kRecalled);
  EXPECT_TRUE(spent.tasks.at(0).empty());
}

TEST_P(ClaimRepeatTest, BeginsTheLeasesAnew) {
  CreateInOrder({"a"});
  const std::string token = NewLockToken();
  ClaimOrder order = OrderOf(1, token);
  order.lease = absl::Minutes(1);
  ASSERT_EQ(Claim(store(), QueryOf({order})).at(0).size(), 1u);
  Advance(absl::Seconds(50));
  ASSERT_EQ(Claim(store(), QueryOf({order})).at(0).size(), 1u);
  Advance(absl::Seconds(50));
  Reap();
  EXPECT_EQ(Get("a").task->status, domain::Status::kInProgress);
}

// The server of the first answer, whose caller has gone, wants to give the tasks back when the
// repeat has been answered already, by another server.
TEST_P(ClaimRepeatTest, WhatItGotIsNotGivenBackByTheServerOfAnEarlierAnswer) {
  CreateInOrder({"a", "b"});
  const std::unique_ptr<Store> other = OpenAnother();
  const std::string token = NewLockToken();
  const std::vector<Task> first = Claim(1, token);
  ASSERT_EQ(first.size(), 1u);
  ASSERT_EQ(Claim(*other, QueryOf({OrderOf(1, token)})).at(0).size(), 1u);
  const domain::Release late = {.undelivered = first[0].update_time};
  EXPECT_EQ(Apply(Make("a", late, token)).reason, domain::Reason::kLockLost);
  EXPECT_EQ(ClaimIds(2), Ids{"b"});
  EXPECT_OK(Apply(Make("a", Succeed{}, token)));
}

TEST_P(ClaimRepeatTest, WithoutARepeatWhatReachedNobodyGoesBack) {
  CreateInOrder({"a"});
  const std::string token = NewLockToken();
  const std::vector<Task> first = Claim(1, token);
  ASSERT_EQ(first.size(), 1u);
  const domain::Release back = {.undelivered = first[0].update_time};
  ASSERT_OK(Apply(Make("a", back, token)));
  EXPECT_EQ(Get("a").task->attempts, 0);
  EXPECT_EQ(ClaimIds(1), Ids{"a"});
}

TEST_P(ClaimRepeatTest, ATaskWithLargeDataIsRepeatedWhole) {
  const std::string data = absl::StrCat(R"({"x":")", std::string(100'000, 'x'), R"("})");
  CreateInOrder({"a"}, {.data = data});
  const std::string token = NewLockToken();
  for (int i = 0; i < 2; ++i) {
    const std::vector<Task> tasks = Claim(1, token);
    ASSERT_EQ(tasks.size(), 1u);
    EXPECT_EQ(tasks[0].data, data);
  }
}

// The client repeats a claim whose first sending still waits.
TEST_P(ClaimRepeatTest, TwiceInOneStepGetsNothingThatARepeatedOneWouldNot) {
  CreateInOrder(Numbered("t", 6));
  const std::string token = NewLockToken();
  const auto tasks = Claim(store(), QueryOf({OrderOf(2, token), OrderOf(2, token)}));
  std::set<std::string> given;
  for (const auto& order : tasks) {
    for (const Task& task : order) given.insert(task.key.id);
  }
  EXPECT_FALSE(given.empty());
  EXPECT_EQ(Sorted(ClaimIds(2, token)), Ids(given.begin(), given.end()));
}

TEST_P(ClaimRepeatTest, TheSameTokenInAnotherNamespaceIsAnotherClaim) {
  CreateInOrder({"a"});
  CreateInOrder({"b"}, {}, "other");
  const std::string token = NewLockToken();
  ASSERT_EQ(ClaimIds(1, token), Ids{"a"});
  ClaimQuery other = QueryOf({OrderOf(1, token)});
  other.name_space = "other";
  EXPECT_EQ(IdsOf(Claim(store(), other).at(0)), Ids{"b"});
  // Each is remembered by itself.
  EXPECT_EQ(IdsOf(Claim(store(), other).at(0)), Ids{"b"});
  EXPECT_EQ(ClaimIds(1, token), Ids{"a"});
}

TEST_P(ClaimRepeatTest, IsForgottenAfterAWhile) {
  CreateInOrder({"a", "b"});
  const std::string token = NewLockToken();
  ASSERT_EQ(ClaimIds(1, token), Ids{"a"});
  Advance(limits::kClaimMemory - absl::Minutes(1));
  ASSERT_OK(store().Tidy());
  EXPECT_EQ(ClaimIds(1, token), Ids{"a"});
  Advance(absl::Minutes(2));
  ASSERT_OK(store().Tidy());
  EXPECT_EQ(ClaimIds(1, token), Ids{"b"});
}

}  // namespace
}  // namespace tracker::store
