// Claim: which tasks are handed out, to whom, and how many.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/conformance/claim_store_test.h"

namespace tracker::store {
namespace {

using domain::Create;
using domain::Fail;
using domain::Outcome;
using domain::Release;
using domain::Reset;
using domain::Start;
using domain::Status;
using domain::Succeed;
using domain::Task;

class ClaimTest : public ClaimStoreTest {};
INSTANTIATE_FOR_ALL_STORES(ClaimTest);

TEST_P(ClaimTest, HandsOutTheHighestPriorityFirstAndThenWhatIsAvailableLongest) {
  CreateInOrder({"z-old"}, {.priority = 0});
  CreateInOrder({"low"}, {.priority = -7});
  CreateInOrder({"y-high", "x-high"}, {.priority = 1'000'000});
  CreateInOrder({"a-young"}, {.priority = 0});
  EXPECT_EQ(ClaimIds(3), (Ids{"y-high", "x-high", "z-old"}));
  EXPECT_EQ(ClaimIds(10), (Ids{"a-young", "low"}));
  EXPECT_EQ(ClaimIds(10), Ids{});
}

TEST_P(ClaimTest, StartsEachTaskUnderTheOrdersToken) {
  CreateInOrder({"a"}, {.data = R"({"n":1})"});
  const std::string token = NewLockToken();
  ClaimQuery query = QueryOf({OrderOf(1, token)});
  query.orders[0].worker = "me";
  query.orders[0].lease = absl::Seconds(42);
  const absl::StatusOr<ClaimAnswer> answer = store().Claim(query);
  ASSERT_OK(answer);
  ASSERT_EQ(answer->tasks.at(0).size(), 1u);
  const Task& task = answer->tasks[0][0];
  EXPECT_EQ(task.lock, token);
  EXPECT_EQ(task.status, Status::kInProgress);
  EXPECT_EQ(task.attempts, 1);
  EXPECT_EQ(task.fence, 1);
  EXPECT_EQ(task.worker, "me");
  EXPECT_EQ(task.lock_expire_time, answer->now + absl::Seconds(42));
  EXPECT_EQ(task.data, R"({"n":1})");
  Task shown = task;
  shown.lock.clear();
  EXPECT_EQ(Get("a").task, shown);
  EXPECT_EQ(Value(store().Count(kNamespace)),
            (std::vector<StatusCount>{{kNamespace, Status::kInProgress, 1}}));
  EXPECT_OK(Apply(Make("a", Succeed{}, token)));
}

TEST_P(ClaimTest, TakesTheLeaseOfThePolicyWhereTheOrderNamesNone) {
  CreateInOrder({"a"});
  ClaimQuery query = QueryOf({OrderOf(1)});
  query.policy = std::make_shared<domain::Policy>(domain::Policy{.lease = absl::Seconds(7)});
  const std::vector<Task> tasks = Claim(store(), query).at(0);
  ASSERT_EQ(tasks.size(), 1u);
  EXPECT_EQ(tasks[0].lock_expire_time - tasks[0].lock_time, absl::Seconds(7));
}

TEST_P(ClaimTest, DealsOneEachInTurn) {
  const Ids ids = Numbered("t", 10);
  CreateInOrder(ids);
  const auto tasks = Claim(store(), QueryOf({OrderOf(10), OrderOf(2), OrderOf(10)}));
  EXPECT_EQ(IdsOf(tasks[0]), (Ids{ids[0], ids[3], ids[6], ids[8]}));
  EXPECT_EQ(IdsOf(tasks[1]), (Ids{ids[1], ids[4]}));
  EXPECT_EQ(IdsOf(tasks[2]), (Ids{ids[2], ids[5], ids[7], ids[9]}));
}

TEST_P(ClaimTest, StaysWithinEachOrdersBytes) {
  const std::string data = absl::StrCat(R"({"x":")", std::string(10'000, 'x'), "\"}");
  CreateInOrder(Numbered("t", 12), {.data = data});
  ClaimQuery query = QueryOf({OrderOf(9), OrderOf(9), OrderOf(9)});
  query.orders[0].byte_limit = 35'000;
  query.orders[1].byte_limit = 1;
  const auto tasks = Claim(store(), query);
  EXPECT_EQ(tasks[0].size(), 3u);
  EXPECT_EQ(tasks[1].size(), 1u) << "one is always handed out";
  EXPECT_EQ(tasks[2].size(), 8u);
}

TEST_P(ClaimTest, OneStepHandsOutABoundedNumber) {
  const int count = limits::kClaimTasks + 200;
  CreateInOrder(Numbered("t", count));
  const auto tasks =
      Claim(store(), QueryOf({OrderOf(limits::kClaimTasks), OrderOf(limits::kClaimTasks)}));
  EXPECT_EQ(tasks[0].size() + tasks[1].size(), static_cast<size_t>(limits::kClaimTasks));
  EXPECT_EQ(tasks[0].size(), tasks[1].size());
  EXPECT_EQ(Claim(limits::kClaimTasks).size(), 200u);
}

TEST_P(ClaimTest, KnowsItsNamespace) {
  CreateInOrder({"a"}, {}, "another");
  EXPECT_EQ(Value(store().HaveClaimable({kNamespace, "another", "nobody's"})),
            (std::vector<bool>{false, true, false}));
  EXPECT_EQ(ClaimIds(5), Ids{});
  CreateInOrder({"b"});
  EXPECT_EQ(ClaimIds(5), Ids{"b"});
  EXPECT_EQ(Value(store().HaveClaimable({kNamespace, "another"})),
            (std::vector<bool>{false, true}));
  EXPECT_TRUE(Value(store().HaveClaimable({})).empty());
}

TEST_P(ClaimTest, WhatWaitsForItsTimeIsHandedOutWhenThatHasComeAndTheReaperWasThere) {
  const absl::Time now = Apply(Make("late", Create{})).now;
  ASSERT_OK(Apply(Make("late", domain::Delete{})));
  ASSERT_OK(Apply(Make("late", Create{.available_time = now + absl::Minutes(10)})));
  Reap();
  EXPECT_FALSE(HasClaimable());
  EXPECT_EQ(ClaimIds(5), Ids{});
  Advance(absl::Minutes(11));
  Reap();
  EXPECT_TRUE(Value(store().ListDue(10)).empty()) << "no alarm twice";
  EXPECT_TRUE(HasClaimable());
  EXPECT_EQ(ClaimIds(5), Ids{"late"});
  EXPECT_FALSE(HasClaimable());
}

TEST_P(ClaimTest, WhatComesBackIsHandedOutAgain) {
  CreateInOrder({"released", "failed", "delayed", "reset", "expired", "done", "gone"});
  const std::string token = NewLockToken();
  ASSERT_EQ(Claim(7, token).size(), 7u);
  ASSERT_OK(Apply(Make("released", Release{}, token)));
  ASSERT_OK(Apply(Make("failed", Fail{}, token)));
  ASSERT_OK(Apply(Make("delayed", Fail{.retry_delay = absl::Seconds(30)}, token)));
  ASSERT_OK(Apply(Make("reset", Reset{.force = true})));
  ASSERT_OK(Apply(Make("done", Succeed{}, token)));
  ASSERT_OK(Apply(Make("gone", domain::Delete{.force = true})));
  EXPECT_EQ(Sorted(ClaimIds(10)), (Ids{"failed", "released", "reset"}));
  Advance(absl::Seconds(31));
  Reap();
  EXPECT_EQ(ClaimIds(10), Ids{"delayed"});
  // The lease of the first claim.
  Advance(limits::kDefaultLease);
  Reap();
  const std::vector<Task> again = Claim(10);
  EXPECT_EQ(Sorted(IdsOf(again)), (Ids{"delayed", "expired", "failed", "released", "reset"}));
  for (const Task& task : again) EXPECT_GE(task.fence, 2) << task.key.id;
}

TEST_P(ClaimTest, WhatWasStartedByNameIsNotHandedOut) {
  CreateInOrder({"named", "free"});
  ASSERT_OK(Apply(Make("named", Start{})));
  EXPECT_EQ(ClaimIds(5), Ids{"free"});
}

TEST_P(ClaimTest, APausedNamespaceHandsOutOnlyWhatItHadHandedOut) {
  CreateInOrder({"a", "b"});
  const std::string token = NewLockToken();
  ASSERT_EQ(ClaimIds(1, token), Ids{"a"});
  ClaimQuery query = QueryOf({OrderOf(5, token), OrderOf(5)});
  query.policy = std::make_shared<domain::Policy>(domain::Policy{.paused = true});
  const auto tasks = Claim(store(), query);
  EXPECT_EQ(IdsOf(tasks[0]), Ids{"a"});
  EXPECT_EQ(IdsOf(tasks[1]), Ids{});
  EXPECT_EQ(Get("b").task->status, Status::kPending);
}

TEST_P(ClaimTest, ARowThatTrackerDidNotWriteStopsNoOther) {
  CreateInOrder({"bad", "good"});
  ExecuteSql("UPDATE task SET errors = '[1]' WHERE id = 'bad'",
             "UPDATE tracker.task SET errors = '[1]' WHERE id = 'bad'");
  EXPECT_EQ(ClaimIds(5), Ids{"good"});
}

TEST_P(ClaimTest, APlaceThatNoAnswerNamedIsRefused) {
  CreateInOrder({"a"});
  for (const char* from : {"nonsense", "1", "x y z", "99999999999999999999 1 a"}) {
    ClaimQuery query = QueryOf({OrderOf(1)});
    query.from = from;
    EXPECT_EQ(store().Claim(query).status().code(), absl::StatusCode::kInvalidArgument) << from;
  }
  EXPECT_EQ(Get("a").task->status, Status::kPending);
}

// The namespace's policy allows fewer attempts than there have been.
TEST_P(ClaimTest, TasksWithNoAttemptLeftComeToTheirEndAndStopNoOther) {
  CreateInOrder({"a", "b", "c"});
  for (const char* id : {"a", "b"}) {
    const std::string token = NewLockToken();
    ASSERT_OK(Apply(Make(id, domain::Start{}, token)));
    ASSERT_OK(Apply(Make(id, domain::Fail{.retry_delay = absl::ZeroDuration()}, token)));
  }
  domain::Policy policy;
  policy.max_attempts = 1;
  ClaimQuery query = QueryOf({OrderOf(3)});
  query.policy = std::make_shared<const domain::Policy>(policy);
  const ClaimAnswer answer = Value(store().Claim(query));
  EXPECT_EQ(IdsOf(answer.tasks.at(0)), Ids{"c"});
  EXPECT_TRUE(answer.more);
  EXPECT_EQ(Get("a").task->status, domain::Status::kExhausted);
  EXPECT_EQ(Get("b").task->status, domain::Status::kExhausted);
  EXPECT_FALSE(HasClaimable());
  // Who got nothing so has used up nothing.
  CreateInOrder({"d"});
  query.orders = {OrderOf(1)};
  EXPECT_EQ(IdsOf(Value(store().Claim(query)).tasks.at(0)), Ids{"d"});
}

}  // namespace
}  // namespace tracker::store
