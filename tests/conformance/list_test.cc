// List, Count, ListDue, Tidy: what is read of many tasks.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "src/base/token.h"
#include "tests/conformance/store_test.h"

namespace tracker::store {
namespace {

using domain::Command;
using domain::Create;
using domain::Delete;
using domain::Fail;
using domain::Heartbeat;
using domain::Ignore;
using domain::Outcome;
using domain::Start;
using domain::Status;
using domain::Succeed;
using domain::Task;

std::vector<std::string> Ids(const std::vector<Task>& tasks) {
  std::vector<std::string> ids;
  for (const Task& task : tasks) ids.push_back(task.key.id);
  return ids;
}

std::vector<std::string> Sorted(std::vector<std::string> ids) {
  std::sort(ids.begin(), ids.end());
  return ids;
}

std::vector<std::string> Numbered(const std::string& prefix, int count) {
  std::vector<std::string> ids;
  for (int i = 0; i < count; ++i) ids.push_back(absl::StrCat(prefix, 1000 + i));
  return ids;
}

class ListTest : public StoreTest {
 protected:
  std::vector<std::string> List(ListQuery query) {
    query.name_space = kNamespace;
    return Ids(ListAll(store(), query));
  }
};
INSTANTIATE_FOR_ALL_STORES(ListTest);

TEST_P(ListTest, NothingIsOneEmptyPage) {
  const absl::StatusOr<Page> page = store().List({.name_space = "nobody's"});
  ASSERT_OK(page);
  EXPECT_TRUE(page->tasks.empty());
  EXPECT_FALSE(page->next.has_value());
  EXPECT_TRUE(Value(store().Count("")).empty());
  EXPECT_TRUE(Value(store().ListDue(10)).empty());
}

TEST_P(ListTest, OrdersByTimeAndThenByTheBytesOfTheId) {
  // Two batches: those of one are made at the same time. A language would sort them otherwise.
  CreateAll({"b", "B", "a", "ä", "A", "_", "𝄞"});
  Advance(absl::Seconds(1));
  CreateAll({"Z", "y"});
  const std::vector<std::string> oldest_first = {"A", "B", "_", "a", "b", "ä", "𝄞", "Z", "y"};
  std::vector<std::string> newest_first(oldest_first.rbegin(), oldest_first.rend());
  for (int limit : {1, 2, 3, 8, 9, 10, 100}) {
    SCOPED_TRACE(limit);
    EXPECT_EQ(List({.order = Order::kOldestFirst, .limit = limit}), oldest_first);
    EXPECT_EQ(List({.order = Order::kNewestFirst, .limit = limit}), newest_first);
    EXPECT_EQ(List({.order = Order::kUpdatedFirst, .limit = limit}), newest_first);
  }
  Advance(absl::Seconds(1));
  ASSERT_OK(Apply(Make("a", Start{})));
  std::vector<std::string> updated_first = {"a"};
  for (const std::string& id : newest_first) {
    if (id != "a") updated_first.push_back(id);
  }
  for (int limit : {1, 4, 100}) {
    EXPECT_EQ(List({.order = Order::kUpdatedFirst, .limit = limit}), updated_first);
  }
  EXPECT_EQ(List({.order = Order::kNewestFirst}), newest_first);
}

TEST_P(ListTest, NextIsThereExactlyWhenMoreFollows) {
  CreateAll(Numbered("t", 6));
  EXPECT_TRUE(Value(store().List({.name_space = kNamespace, .limit = 5})).next.has_value());
  EXPECT_FALSE(Value(store().List({.name_space = kNamespace, .limit = 6})).next.has_value());
  EXPECT_FALSE(Value(store().List({.name_space = kNamespace, .limit = 7})).next.has_value());
  // What does not match does not count.
  EXPECT_FALSE(Value(store().List({.name_space = kNamespace, .id_prefix = "t1001", .limit = 1}))
                   .next.has_value());
}

TEST_P(ListTest, ShowsTheWholeTaskButNeverALock) {
  const std::string lock = NewLockToken();
  ASSERT_OK(Apply(Make("a", Create{.data = R"({"d":1})", .priority = 4, .max_attempts = 9})));
  ASSERT_OK(Apply(Make("a", Start{.worker = "w"}, lock)));
  ASSERT_OK(Apply(Make("a", Fail{.message = "m"}, lock)));
  ASSERT_OK(Apply(Make("a", Start{.worker = "w"})));
  const absl::StatusOr<Page> page = store().List({.name_space = kNamespace});
  ASSERT_OK(page);
  ASSERT_EQ(page->tasks.size(), 1u);
  EXPECT_EQ(page->tasks[0], *Get("a").task);
  EXPECT_EQ(page->tasks[0].lock, "");
  EXPECT_GE(page->now, page->tasks[0].update_time);
}

TEST_P(ListTest, FiltersByStatusWorkerAndBoth) {
  CreateAll({"pending", "running", "other", "done", "ignored"});
  const std::string lock = NewLockToken();
  ASSERT_OK(Apply(Make("running", Start{.worker = "w%"})));
  ASSERT_OK(Apply(Make("other", Start{.worker = "wx"})));
  ASSERT_OK(Apply(Make("done", Start{.worker = "w%"}, lock)));
  ASSERT_OK(Apply(Make("done", Succeed{}, lock)));
  ASSERT_OK(Apply(Make("ignored", Ignore{})));
  const auto sorted = [&](ListQuery query) { return Sorted(List(query)); };
  using Expected = std::vector<std::string>;
  EXPECT_EQ(sorted({.statuses = {Status::kPending}}), Expected{"pending"});
  EXPECT_EQ(sorted({.statuses = {Status::kInProgress, Status::kIgnored}}),
            (Expected{"ignored", "other", "running"}));
  EXPECT_EQ(sorted({.statuses = {Status::kFailed}}), Expected{});
  EXPECT_EQ(sorted({.worker = "w%"}), (Expected{"done", "running"}));
  EXPECT_EQ(sorted({.worker = "w"}), Expected{});
  EXPECT_EQ(sorted({.statuses = {Status::kSucceeded}, .worker = "w%"}), Expected{"done"});
  EXPECT_EQ(sorted({.statuses = {Status::kInProgress}, .id_prefix = "r", .worker = "w%"}),
            Expected{"running"});
  // By pages as at once.
  EXPECT_EQ(sorted({.statuses = {Status::kInProgress, Status::kSucceeded}, .limit = 1}),
            (Expected{"done", "other", "running"}));
}

TEST_P(ListTest, APrefixIsBytesNotAPattern) {
  const std::vector<std::string> ids = {"a",  "a%", "a%b", "a_",  "a_b", "ab",       "abc", "a\\",
                                        "a'", "A",  "ä",   "äb",  "𝄞",   "𝄞𝄞",       "%",   "_",
                                        "\\", "'",  "[a]", "a*b", "é",   "e\xCC\x81"};
  CreateAll(ids);
  std::vector<std::string> prefixes = ids;
  prefixes.insert(prefixes.end(), {"", "nobody", "\xF4\x8F\xBF\xBF"});
  for (const std::string& prefix : prefixes) {
    SCOPED_TRACE(prefix);
    std::vector<std::string> expected;
    for (const std::string& id : ids) {
      if (id.compare(0, prefix.size(), prefix) == 0) expected.push_back(id);
    }
    for (Order order : {Order::kNewestFirst, Order::kOldestFirst, Order::kUpdatedFirst}) {
      EXPECT_EQ(Sorted(List({.id_prefix = prefix, .order = order, .limit = 2})), Sorted(expected));
    }
  }
}

TEST_P(ListTest, PagesEndBeforeTheByteLimitButHaveATask) {
  const std::string data = absl::StrCat(R"({"x":")", std::string(10'000, 'x'), "\"}");
  std::vector<Command> commands;
  for (const std::string& id : Numbered("t", 10))
    commands.push_back(Make(id, Create{.data = data}));
  for (const Outcome& outcome : Apply(commands)) ASSERT_OK(outcome);
  ListQuery query = {.name_space = kNamespace, .order = Order::kOldestFirst, .byte_limit = 35'000};
  std::vector<size_t> sizes;
  std::vector<std::string> ids;
  do {
    const absl::StatusOr<Page> page = store().List(query);
    ASSERT_OK(page);
    sizes.push_back(page->tasks.size());
    for (const Task& task : page->tasks) ids.push_back(task.key.id);
    query.after = page->next;
  } while (query.after);
  EXPECT_EQ(sizes, (std::vector<size_t>{3, 3, 3, 1}));
  EXPECT_EQ(ids, Numbered("t", 10));
  query.byte_limit = 1;
  query.after.reset();
  EXPECT_EQ(Value(store().List(query)).tasks.size(), 1u);
  EXPECT_EQ(ListAll(store(), query).size(), 10u);
}

TEST_P(ListTest, EachTaskComesOnceWhileTasksChange) {
  const std::vector<std::string> ids = Numbered("t", 300);
  CreateAll(ids);
  Advance(absl::Seconds(1));
  std::multiset<std::string> seen;
  ListQuery query = {.name_space = kNamespace, .limit = 7};
  int page_number = 0;
  do {
    const absl::StatusOr<Page> page = store().List(query);
    ASSERT_OK(page);
    for (const Task& task : page->tasks) seen.insert(task.key.id);
    // Seen and unseen ones change, new ones come in front, one that was seen goes.
    const std::string lock = NewLockToken();
    const std::string early = ids[(page_number * 37) % ids.size()];
    ASSERT_OK(Apply(Make(absl::StrCat("new", page_number), Create{})));
    Apply(
        {Make(early, Start{}, lock), Make(early, Heartbeat{}, lock), Make(early, Succeed{}, lock)});
    ASSERT_OK(Apply(Make(page->tasks.back().key.id, Delete{.force = true})));
    ++page_number;
    query.after = page->next;
  } while (query.after);
  for (const std::string& id : ids) EXPECT_EQ(seen.count(id), 1u) << id;
  EXPECT_EQ(seen.size(), ids.size());
}

class CountTest : public StoreTest {};
INSTANTIATE_FOR_ALL_STORES(CountTest);

TEST_P(CountTest, FollowsEveryChangeAndLeavesZerosOut) {
  const std::string lock = NewLockToken();
  const auto count = [&] { return Value(store().Count(kNamespace)); };
  using Expected = std::vector<StatusCount>;
  CreateAll({"a", "b"});
  EXPECT_EQ(count(), (Expected{{kNamespace, Status::kPending, 2}}));
  ASSERT_OK(Apply(Make("a", Start{}, lock)));
  EXPECT_EQ(count(),
            (Expected{{kNamespace, Status::kPending, 1}, {kNamespace, Status::kInProgress, 1}}));
  ASSERT_OK(Apply(Make("a", Succeed{}, lock)));
  EXPECT_FALSE(Apply(Make("a", Start{})).ok());
  EXPECT_EQ(count(),
            (Expected{{kNamespace, Status::kPending, 1}, {kNamespace, Status::kSucceeded, 1}}));
  ASSERT_OK(store().Tidy());
  ASSERT_OK(Apply(Make("b", Delete{})));
  EXPECT_EQ(count(), (Expected{{kNamespace, Status::kSucceeded, 1}}));
  ASSERT_OK(Apply(Make("c", Create{}, "", "another")));
  EXPECT_EQ(Value(store().Count("")),
            (Expected{{"another", Status::kPending, 1}, {kNamespace, Status::kSucceeded, 1}}));
  EXPECT_EQ(count(), (Expected{{kNamespace, Status::kSucceeded, 1}}));
  EXPECT_TRUE(Value(store().Count("nobody's")).empty());
}

TEST_P(CountTest, ComesInPagesThatSplitNoNamespace) {
  constexpr int kNamespaces = 1200;
  std::vector<Command> commands;
  for (int i = 0; i < kNamespaces; ++i) {
    const std::string name_space = absl::StrCat("n", i);
    commands.push_back(Make("a", Create{}, "", name_space));
    commands.push_back(Make("b", Start{.create_if_missing = true}, "", name_space));
    if (i % 3 == 0) commands.push_back(Make("c", Create{}, "", name_space));
  }
  for (const Outcome& outcome : Apply(commands)) ASSERT_OK(outcome);
  // Counters that come to nothing take no part.
  ASSERT_OK(Apply(Make("z", Create{}, "", "n5+")));
  ASSERT_OK(Apply(Make("z", Delete{}, "", "n5+")));
  for (const int limit : {1, 7, 1000, 5000}) {
    std::vector<StatusCount> all;
    CountQuery query = {.limit = limit};
    do {
      const CountPage page = Value(store().Count(query));
      std::set<std::string> of_page;
      for (const StatusCount& count : page.counts) of_page.insert(count.name_space);
      EXPECT_LE(static_cast<int>(of_page.size()), limit);
      if (!all.empty()) {
        EXPECT_FALSE(of_page.contains(all.back().name_space));
      }
      all.insert(all.end(), page.counts.begin(), page.counts.end());
      query.after = page.next;
    } while (!query.after.empty());
    ASSERT_EQ(all.size(), static_cast<size_t>(2 * kNamespaces)) << limit;
    EXPECT_EQ(Total(all), 2 * kNamespaces + kNamespaces / 3);
    EXPECT_TRUE(std::is_sorted(all.begin(), all.end(), [](const auto& a, const auto& b) {
      return std::pair(a.name_space, a.status) < std::pair(b.name_space, b.status);
    }));
  }
  EXPECT_EQ(Value(store().Count("")).size(), static_cast<size_t>(2 * kNamespaces));
  EXPECT_EQ(Value(store().Count("n3")).size(), 2u);
}

TEST_P(CountTest, FoldingChangesNothingThatIsSeen) {
  for (int i = 0; i < 300; ++i) {
    ASSERT_OK(Apply(Make(absl::StrCat("t", i), Start{.create_if_missing = true})));
  }
  for (int i = 0; i < 3; ++i) {
    ASSERT_OK(store().Tidy());
    EXPECT_EQ(Value(store().Count(kNamespace)),
              (std::vector<StatusCount>{{kNamespace, Status::kInProgress, 300}}));
  }
  for (int i = 0; i < 300; ++i) {
    ASSERT_OK(Apply(Make(absl::StrCat("t", i), Delete{.force = true})));
  }
  ASSERT_OK(store().Tidy());
  EXPECT_TRUE(Value(store().Count("")).empty());
}

TEST_P(CountTest, IsExactAtAnyMomentWhileOthersWriteAndFold) {
  constexpr int kTasks = 20;
  CreateAll(Numbered("t", kTasks));
  const std::unique_ptr<Store> other = OpenAnother();
  std::atomic<bool> stop = false;
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&, i] {
      for (int round = 0; round < 150; ++round) {
        std::vector<Command> commands;
        for (const std::string& id : Numbered("t", kTasks)) {
          const std::string lock = NewLockToken();
          commands.push_back(Make(id, Start{.ignore_lock = true, .force = true}, lock));
          if (round % 3 != i) commands.push_back(Make(id, Succeed{}, lock));
        }
        ApplyTo(i == 0 ? store() : *other, commands);
      }
      stop = true;
    });
  }
  threads.emplace_back([&] {
    while (!stop) EXPECT_OK(other->Tidy());
  });
  int looks = 0;
  while (!stop) {
    const auto counts = store().Count(kNamespace);
    ASSERT_OK(counts);
    int64_t sum = 0;
    for (const StatusCount& count : *counts) {
      EXPECT_GT(count.count, 0);
      sum += count.count;
    }
    EXPECT_EQ(sum, kTasks);
    ++looks;
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(looks, 0);
  EXPECT_EQ(Value(store().Count(kNamespace)), Recount(store(), kNamespace));
}

class ExpiryTest : public StoreTest {};
INSTANTIATE_FOR_ALL_STORES(ExpiryTest);

TEST_P(ExpiryTest, ListsLeasesThatAreOverTheLongestOverFirst) {
  const auto start = [&](const std::string& id, int lease_s) {
    return Make(id, Start{.lease = absl::Seconds(lease_s), .create_if_missing = true});
  };
  for (const Outcome& outcome :
       Apply({start("c", 30), start("a", 10), start("b", 20), start("live", 1000)})) {
    ASSERT_OK(outcome);
  }
  const std::string lock = NewLockToken();
  ASSERT_OK(Apply(Make("done", Start{.lease = absl::Seconds(1), .create_if_missing = true}, lock)));
  ASSERT_OK(Apply(Make("done", Succeed{}, lock)));
  ASSERT_OK(Apply(
      Make("x", Start{.lease = absl::Seconds(5), .create_if_missing = true}, lock, "another")));
  EXPECT_TRUE(Value(store().ListDue(10)).empty());
  Advance(absl::Seconds(40));
  using Expected = std::vector<domain::TaskKey>;
  EXPECT_EQ(Value(store().ListDue(10)),
            (Expected{{"another", "x"}, {kNamespace, "a"}, {kNamespace, "b"}, {kNamespace, "c"}}));
  EXPECT_EQ(Value(store().ListDue(2)), (Expected{{"another", "x"}, {kNamespace, "a"}}));

  // It changes nothing by itself; Expire does.
  EXPECT_EQ(Get("a").task->status, Status::kInProgress);
  ASSERT_OK(Apply(Make("a", domain::Expire{})));
  ASSERT_OK(Apply(Make("live", domain::Expire{})));
  EXPECT_EQ(Get("a").task->status, Status::kFailed);
  EXPECT_EQ(Get("live").task->status, Status::kInProgress);
  EXPECT_EQ(Value(store().ListDue(10)).size(), 3u);
}

}  // namespace
}  // namespace tracker::store
