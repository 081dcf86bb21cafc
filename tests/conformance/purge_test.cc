// Finished tasks that are old: how they are found, and how they go.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "src/base/token.h"
#include "tests/conformance/store_test.h"

namespace tracker::store {
namespace {

using domain::Command;
using domain::Fail;
using domain::Ignore;
using domain::Outcome;
using domain::Purge;
using domain::Reset;
using domain::Start;
using domain::Status;
using domain::Succeed;

using Ids = std::vector<std::string>;

class PurgeTest : public StoreTest {
 protected:
  void Finish(const std::string& id, const domain::Action& how) {
    const std::string lock = NewLockToken();
    ASSERT_OK(Apply(Make(id, Start{.create_if_missing = true}, lock)));
    ASSERT_OK(Apply(Make(id, how, lock)));
  }

  // What is to go, through all steps. Each is purged when `purge` says so.
  Ids FindAll(absl::Duration age, int limit, bool purge) {
    Ids ids;
    FinishedQuery query = {.name_space = kNamespace, .age = age, .limit = limit};
    for (int steps = 0; steps < 1000; ++steps) {
      const absl::StatusOr<FinishedPage> page = store().ListFinished(query);
      EXPECT_OK(page);
      if (!page.ok()) return ids;
      EXPECT_LE(static_cast<int>(page->keys.size()), limit);
      EXPECT_GE(page->scanned, static_cast<int>(page->keys.size()));
      std::vector<Command> commands;
      for (const domain::TaskKey& key : page->keys) {
        EXPECT_EQ(key.name_space, kNamespace);
        ids.push_back(key.id);
        commands.push_back(Make(key.id, Purge{.before = page->before}));
      }
      if (purge) {
        for (const Outcome& outcome : Apply(commands)) EXPECT_OK(outcome);
      }
      if (!page->next) return ids;
      query.after = page->next;
    }
    ADD_FAILURE() << "it does not end";
    return ids;
  }
};
INSTANTIATE_FOR_ALL_STORES(PurgeTest);

TEST_P(PurgeTest, FindsWhatIsFinishedTheOldestFirst) {
  Finish("c-succeeded", Succeed{});
  Advance(absl::Seconds(1));
  Finish("b-exhausted", Fail{.no_retry = true});
  Advance(absl::Seconds(1));
  CreateAll({"a-ignored", "pending"});
  ASSERT_OK(Apply(Make("a-ignored", Ignore{})));
  Finish("failed", Fail{});
  ASSERT_OK(Apply(Make("running", Start{.create_if_missing = true})));
  ASSERT_OK(Apply(Make("elsewhere", Start{.create_if_missing = true}, "t", "another")));
  ASSERT_OK(Apply(Make("elsewhere", Succeed{}, "t", "another")));
  Advance(absl::Hours(1));
  const Ids expected = {"c-succeeded", "b-exhausted", "a-ignored"};
  for (const int limit : {1, 2, 100}) EXPECT_EQ(FindAll(absl::Minutes(1), limit, false), expected);
  EXPECT_EQ(FindAll(absl::Hours(2), 100, false), Ids{});
}

TEST_P(PurgeTest, TheAgeIsThatOfTheLastChange) {
  Finish("old", Succeed{});
  Finish("touched", Succeed{});
  Advance(absl::Minutes(30));
  ASSERT_OK(Apply(Make("touched", Ignore{})));
  Finish("young", Succeed{});
  Advance(absl::Minutes(10));
  EXPECT_EQ(FindAll(absl::Minutes(20), 100, false), Ids{"old"});
  EXPECT_EQ(FindAll(absl::Minutes(5), 100, false).size(), 3u);
}

TEST_P(PurgeTest, WhatIsPurgedIsGoneAndNoLongerCounted) {
  for (int i = 0; i < 25; ++i) Finish(absl::StrCat("t", i), Succeed{});
  CreateAll({"kept"});
  Advance(absl::Hours(1));
  EXPECT_EQ(FindAll(absl::Minutes(1), 4, true).size(), 25u);
  EXPECT_EQ(FindAll(absl::Minutes(1), 4, true), Ids{});
  EXPECT_EQ(Get("t3").reason, domain::Reason::kTaskNotFound);
  EXPECT_EQ(Value(store().Count(kNamespace)),
            (std::vector<StatusCount>{{kNamespace, Status::kPending, 1}}));
  EXPECT_TRUE(Value(store().CheckCounts()).mismatches.empty());
}

TEST_P(PurgeTest, WhatHasChangedSinceItWasFoundStays) {
  for (const char* id : {"reset", "finished-anew", "old"}) Finish(id, Succeed{});
  Advance(absl::Hours(1));
  const FinishedPage page =
      Value(store().ListFinished({.name_space = kNamespace, .age = absl::Minutes(1)}));
  ASSERT_EQ(page.keys.size(), 3u);
  ASSERT_OK(Apply(Make("reset", Reset{})));
  ASSERT_OK(Apply(Make("finished-anew", Ignore{})));
  for (const domain::TaskKey& key : page.keys) {
    ASSERT_OK(Apply(Make(key.id, Purge{.before = page.before})));
  }
  EXPECT_OK(Get("reset"));
  EXPECT_OK(Get("finished-anew"));
  EXPECT_FALSE(Get("old").ok());
}

// As the purges of two servers do.
TEST_P(PurgeTest, TwoAtOnceDeleteEachTaskOnceAndCountRight) {
  constexpr int kTasks = 600;
  std::vector<Command> starts, ends;
  for (int i = 0; i < kTasks; ++i) {
    const std::string lock = NewLockToken();
    starts.push_back(Make(absl::StrCat("t", i), Start{.create_if_missing = true}, lock));
    ends.push_back(Make(absl::StrCat("t", i), Succeed{}, lock));
  }
  for (const Outcome& outcome : Apply(starts)) ASSERT_OK(outcome);
  for (const Outcome& outcome : Apply(ends)) ASSERT_OK(outcome);
  ASSERT_OK(Apply(Make("stays", domain::Create{})));
  Advance(absl::Hours(1));
  const std::unique_ptr<Store> other = OpenAnother();
  std::atomic<int> deleted = 0;
  const auto purge = [&](Store& store) {
    for (int steps = 0; steps < 1000; ++steps) {
      const absl::StatusOr<FinishedPage> page =
          store.ListFinished({.name_space = kNamespace, .age = absl::Minutes(1), .limit = 50});
      ASSERT_OK(page);
      if (page->keys.empty()) return;
      std::vector<Command> commands;
      for (const domain::TaskKey& key : page->keys) {
        commands.push_back(Make(key.id, Purge{.before = page->before}));
      }
      for (const Outcome& outcome :
           store.Apply(domain::PointersTo(commands), {.patience = absl::ZeroDuration()})) {
        deleted += outcome.ok() ? 1 : 0;
        // The other one was first, or is at it.
        EXPECT_TRUE(outcome.ok() || outcome.reason == domain::Reason::kTaskNotFound ||
                    outcome.reason == domain::Reason::kHeld)
            << ToText(outcome);
      }
    }
    ADD_FAILURE() << "it does not end";
  };
  std::thread one([&] { purge(store()); });
  purge(*other);
  one.join();
  EXPECT_EQ(deleted, kTasks);
  EXPECT_EQ(Value(store().Count(kNamespace)),
            (std::vector<StatusCount>{{kNamespace, Status::kPending, 1}}));
  EXPECT_EQ(Value(store().CheckCounts()).mismatches, std::vector<CountMismatch>{});
}

}  // namespace
}  // namespace tracker::store
