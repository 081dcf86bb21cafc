// Policies as the store keeps them.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/conformance/store_test.h"

namespace tracker::store {
namespace {

using domain::Policy;

class PolicyTest : public StoreTest {
 protected:
  Policy Set(const Policy& policy, std::optional<int64_t> revision = std::nullopt) {
    return Value(store().SetPolicy(policy, revision));
  }
  absl::StatusCode CodeOfSet(const Policy& policy, std::optional<int64_t> revision) {
    return store().SetPolicy(policy, revision).status().code();
  }
};
INSTANTIATE_FOR_ALL_STORES(PolicyTest);

TEST_P(PolicyTest, AnswersWhatIsStoredWithARevisionAndATime) {
  EXPECT_EQ(Value(store().GetPolicy("n")), std::nullopt);
  const Policy policy = {
      .name_space = "n",
      .lease = absl::Seconds(90),
      .max_attempts = 5,
      .backoff = {.initial = absl::Seconds(1),
                  .multiplier = 3,
                  .max = absl::Hours(2),
                  .jitter = 0.5},
      .retention = absl::Hours(24),
      .paused = true,
      .pause_reason = "it's \"closed\"",
      .pause_on_failure = domain::PauseOnFailure{.share = 0.75, .window = absl::Minutes(2)}};
  const Policy stored = Set(policy);
  EXPECT_GT(stored.revision, 0);
  EXPECT_GT(stored.update_time, absl::UnixEpoch());
  Policy expected = policy;
  expected.revision = stored.revision;
  expected.update_time = stored.update_time;
  EXPECT_EQ(stored, expected);
  EXPECT_EQ(Value(store().GetPolicy("n")), stored);
  Reopen();
  EXPECT_EQ(Value(store().GetPolicy("n")), stored);
}

TEST_P(PolicyTest, EachChangeHasAHigherRevisionAndALaterTime) {
  const Policy first = Set({.name_space = "n", .max_attempts = 1});
  Advance(absl::Seconds(1));
  const Policy second = Set({.name_space = "n", .max_attempts = 2});
  EXPECT_GT(second.revision, first.revision);
  EXPECT_GE(second.update_time, first.update_time + absl::Seconds(1));
  // A new one of the name is not mistaken for the one before.
  ASSERT_OK(store().DeletePolicy("n"));
  EXPECT_GT(Set({.name_space = "n"}).revision, second.revision);
}

TEST_P(PolicyTest, IsSetOnlyOverTheRevisionThatItNames) {
  EXPECT_EQ(CodeOfSet({.name_space = "n"}, 1), absl::StatusCode::kAborted);
  const Policy first = Set({.name_space = "n", .max_attempts = 1}, 0);
  EXPECT_EQ(CodeOfSet({.name_space = "n", .max_attempts = 9}, 0), absl::StatusCode::kAborted);
  const Policy second = Set({.name_space = "n", .max_attempts = 2}, first.revision);
  EXPECT_EQ(CodeOfSet({.name_space = "n", .max_attempts = 9}, first.revision),
            absl::StatusCode::kAborted);
  EXPECT_EQ(Value(store().GetPolicy("n")), second);
}

TEST_P(PolicyTest, OfManyThatNameOneRevisionOneIsSet) {
  const Policy first = Set({.name_space = "n"});
  const std::unique_ptr<Store> other = OpenAnother();
  std::atomic<int> done = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      Store& mine = i % 2 == 0 ? store() : *other;
      const auto set = mine.SetPolicy({.name_space = "n", .max_attempts = i + 1}, first.revision);
      done += set.ok() ? 1 : 0;
      EXPECT_TRUE(set.ok() || absl::IsAborted(set.status())) << set.status();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(done, 1);
}

TEST_P(PolicyTest, ListsThemByNamespaceByteByByte) {
  EXPECT_TRUE(Value(store().ListPolicies()).empty());
  for (const char* name_space : {"b", "a/x", "B", "a-x", "a"}) Set({.name_space = name_space});
  std::vector<std::string> names;
  for (const Policy& policy : Value(store().ListPolicies())) names.push_back(policy.name_space);
  EXPECT_EQ(names, (std::vector<std::string>{"B", "a", "a-x", "a/x", "b"}));
}

TEST_P(PolicyTest, WhatIsDeletedIsGone) {
  Set({.name_space = "n"});
  const Policy kept = Set({.name_space = "m"});
  ASSERT_OK(store().DeletePolicy("n"));
  EXPECT_EQ(Value(store().GetPolicy("n")), std::nullopt);
  EXPECT_EQ(Value(store().ListPolicies()), std::vector<Policy>{kept});
  EXPECT_OK(store().DeletePolicy("n"));
  EXPECT_OK(store().DeletePolicy("nobody's"));
}

TEST_P(PolicyTest, TheVersionTellsAnotherServerOfEveryChange) {
  const std::unique_ptr<Store> other = OpenAnother();
  std::vector<int64_t> seen = {Value(other->PolicyVersion())};
  const auto changed = [&] {
    const int64_t version = Value(other->PolicyVersion());
    const bool is_new = std::find(seen.begin(), seen.end(), version) == seen.end();
    seen.push_back(version);
    return is_new;
  };
  EXPECT_FALSE(changed());
  const Policy policy = {.name_space = "n"};
  Set(policy);
  EXPECT_TRUE(changed());
  EXPECT_FALSE(changed());
  Set(policy);
  EXPECT_TRUE(changed());
  ASSERT_OK(store().DeletePolicy("n"));
  EXPECT_TRUE(changed());
  Set(policy);
  EXPECT_TRUE(changed()) << "it is as before, but a server may have seen none in between";
  EXPECT_EQ(CodeOfSet(policy, 0), absl::StatusCode::kAborted);
  EXPECT_FALSE(changed());
}

TEST_P(PolicyTest, ComesInPagesOfWhichNoneRepeatsOrLeavesOut) {
  constexpr int kPolicies = 1200;
  const std::string rows = absl::StrCat("WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + 1 ",
                                        "FROM i WHERE n < ", kPolicies, ") ");
  ExecuteSql("INSERT INTO policy (namespace, revision, update_us, policy) " + rows +
                 "SELECT 'n' || n, n, 1, '{}' FROM i",
             "INSERT INTO tracker.policy (namespace, revision, update_us, document) " + rows +
                 "SELECT 'n' || n, n, 1, '{}' FROM i");
  for (const int limit : {1, 7, 1000, 1200, 5000}) {
    std::vector<std::string> names;
    PolicyQuery query = {.limit = limit};
    do {
      const PolicyPage page = Value(store().ListPolicies(query));
      ASSERT_FALSE(page.policies.empty());
      EXPECT_LE(static_cast<int>(page.policies.size()), limit);
      for (const Policy& policy : page.policies) names.push_back(policy.name_space);
      query.after = page.next;
    } while (!query.after.empty());
    EXPECT_EQ(names.size(), static_cast<size_t>(kPolicies)) << limit;
    EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
    EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end());
  }
  EXPECT_EQ(Value(store().ListPolicies()).size(), static_cast<size_t>(kPolicies));
}

TEST_P(PolicyTest, WhatHasChangedIsReadByItself) {
  const Policy a = Set({.name_space = "a"});
  const Policy b = Set({.name_space = "b"});
  const int64_t seen = Value(store().PolicyVersion());
  EXPECT_TRUE(Value(store().ListPolicyChanges(seen, 10)).empty());
  const Policy changed = Set({.name_space = "a", .max_attempts = 9});
  ASSERT_OK(store().DeletePolicy("b"));
  const Policy c = Set({.name_space = "c"});
  // Each change has a place of its own, the deletion, too.
  std::vector<PolicyChange> changes = Value(store().ListPolicyChanges(seen, 10));
  ASSERT_EQ(changes.size(), 3u);
  EXPECT_EQ(changes[0].policy, changed);
  EXPECT_EQ(changes[1].name_space, "b");
  EXPECT_EQ(changes[1].policy, std::nullopt);
  EXPECT_GT(changes[1].revision, changes[0].revision);
  EXPECT_EQ(changes[2].policy, c);
  EXPECT_EQ(changes[2].revision, Value(store().PolicyVersion()));
  changes = Value(store().ListPolicyChanges(changes[0].revision, 1));
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].name_space, "b");
  // One that is there again is no deletion any more.
  const Policy again = Set({.name_space = "b"});
  changes = Value(store().ListPolicyChanges(seen, 10));
  ASSERT_EQ(changes.size(), 3u);
  EXPECT_EQ(changes[2].policy, again);
}

TEST_P(PolicyTest, WhoHasMissedAForgottenDeletionIsTold) {
  Set({.name_space = "a"});
  Set({.name_space = "b"});
  const int64_t before = Value(store().PolicyVersion());
  ASSERT_OK(store().DeletePolicy("a"));
  const int64_t after = Value(store().PolicyVersion());
  Reopen();
  ASSERT_OK(store().Tidy());
  EXPECT_EQ(Value(store().ListPolicyChanges(before, 10)).size(), 1u);
  Advance(limits::kPolicyMemory + absl::Seconds(1));
  Reopen();
  ASSERT_OK(store().Tidy());
  EXPECT_TRUE(absl::IsOutOfRange(store().ListPolicyChanges(before, 10).status()));
  EXPECT_TRUE(Value(store().ListPolicyChanges(after, 10)).empty());
}

}  // namespace
}  // namespace tracker::store
