// Claims through two stores at once: nothing is handed out twice, nothing is lost, and the counters
// say what is there.
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/conformance/claim_store_test.h"

namespace tracker::store {
namespace {

using domain::Command;
using domain::Create;
using domain::Delete;
using domain::Fail;
using domain::Outcome;
using domain::Release;
using domain::Reset;
using domain::Status;
using domain::Succeed;
using domain::Task;

class ClaimRaceTest : public ClaimStoreTest {};
INSTANTIATE_FOR_ALL_STORES(ClaimRaceTest);

TEST_P(ClaimRaceTest, NoTaskIsHandedOutTwice) {
  constexpr size_t kTasks = 1500;
  CreateInOrder(Numbered("t", kTasks));
  const std::unique_ptr<Store> other = OpenAnother();
  std::mutex mutex;
  std::map<std::string, int> handed_out;
  std::atomic<int> rounds = 0;
  const auto enough = [&] {
    std::lock_guard<std::mutex> lock(mutex);
    return handed_out.size() >= kTasks;
  };
  std::vector<std::thread> claimers;
  for (int i = 0; i < 6; ++i) {
    claimers.emplace_back([&, i] {
      Store& mine = i % 2 == 0 ? store() : *other;
      // Some rounds find nothing, as others hold what is left.
      while (!enough() && ++rounds < 5000) {
        const auto tasks = Claim(mine, QueryOf({OrderOf(7), OrderOf(3)}));
        std::lock_guard<std::mutex> lock(mutex);
        for (const auto& order : tasks) {
          for (const Task& task : order) ++handed_out[task.key.id];
        }
      }
    });
  }
  for (std::thread& claimer : claimers) claimer.join();
  EXPECT_EQ(handed_out.size(), kTasks);
  for (const auto& [id, times] : handed_out) EXPECT_EQ(times, 1) << id;
  EXPECT_FALSE(HasClaimable());
  EXPECT_TRUE(Value(store().CheckCounts()).mismatches.empty());
}

// Workers that claim, end what they got in any way, and operators between them.
class Traffic {
 public:
  Traffic(Store& store, int seed) : store_(store), random_(seed) {}

  void Round() {
    const std::string token = NewLockToken();
    std::vector<Command> commands;
    const absl::StatusOr<ClaimAnswer> answer = store_.Claim(
        {.name_space = kNamespace, .orders = {{.token = token, .limit = 1 + Pick(5)}}});
    ASSERT_OK(answer);
    for (const Task& task : answer->tasks.at(0)) {
      commands.push_back(Make(task.key.id, AnyEnd(), token));
    }
    const size_t ends = commands.size();
    for (int i = 0; i < 3; ++i) {
      commands.push_back(Make(absl::StrCat("t", 10'000 + Pick(80)), AnyOperation()));
    }
    const std::vector<Outcome> outcomes = ApplyTo(store_, commands);
    for (size_t i = 0; i < ends; ++i) {
      // An operator may have been faster.
      const domain::Reason reason = outcomes[i].reason;
      EXPECT_TRUE(outcomes[i].ok() || reason == domain::Reason::kLockLost ||
                  reason == domain::Reason::kTaskNotFound)
          << ToText(outcomes[i]);
    }
  }

 private:
  int Pick(int n) { return std::uniform_int_distribution<int>(0, n - 1)(random_); }
  domain::Action AnyEnd() {
    switch (Pick(4)) {
      case 0: return Succeed{};
      case 1: return Fail{.message = "no", .retry_delay = absl::Milliseconds(Pick(2))};
      case 2: return Release{};
      default: return domain::Heartbeat{.lease = limits::kMinLease};
    }
  }
  domain::Action AnyOperation() {
    switch (Pick(6)) {
      case 0: return Create{.priority = Pick(3)};
      case 1: return Reset{.force = true};
      case 2: return Delete{.force = true};
      case 3: return domain::Ignore{};
      case 4: return domain::Purge{.before = absl::InfiniteFuture()};
      default: return domain::Expire{};
    }
  }

  Store& store_;
  std::mt19937 random_;
};

TEST_P(ClaimRaceTest, AfterAnyTrafficTheCountersAndThePlacesAgreeWithTheTasks) {
  CreateInOrder(Numbered("t", 80));
  const std::unique_ptr<Store> other = OpenAnother();
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      Traffic traffic(i % 2 == 0 ? store() : *other, 400 + i);
      for (int round = 0; round < 100; ++round) traffic.Round();
    });
  }
  for (std::thread& thread : threads) thread.join();
  const CountCheck check = Value(store().CheckCounts());
  EXPECT_TRUE(check.mismatches.empty());
  std::map<std::string, Task> tasks;
  for (const Task& task : ListAll(store(), {.name_space = kNamespace})) tasks[task.key.id] = task;
  EXPECT_EQ(check.tasks, static_cast<int64_t>(tasks.size()));
  // Each unfinished task is found in the end, by the reaper or by a claim.
  Advance(absl::Hours(1));
  for (int round = 0; round < 3; ++round) Reap();
  Ids expected;
  for (const auto& [id, before] : tasks) {
    const Status status = Get(id).task->status;
    EXPECT_NE(status, Status::kInProgress) << id << ": its lease is over";
    if (!domain::Finished(status)) expected.push_back(id);
  }
  EXPECT_EQ(Sorted(ClaimIds(1000)), expected);
}

TEST_P(ClaimRaceTest, ACounterThatIsWrongIsFound) {
  CreateInOrder({"a", "b"});
  ASSERT_OK(Apply(Make("b", domain::Ignore{})));
  CountCheck check = Value(store().CheckCounts());
  EXPECT_EQ(check.tasks, 2);
  EXPECT_TRUE(check.mismatches.empty());
  ExecuteSql(
      "INSERT INTO task_count (namespace, status, n) VALUES ('n', 20, 3)",
      "INSERT INTO tracker.task_count (bucket, namespace, status, n) VALUES (0, 'n', 20, 3)");
  ExecuteSql("DELETE FROM task_count WHERE status = 50",
             "DELETE FROM tracker.task_count WHERE status = 50");
  check = Value(store().CheckCounts());
  EXPECT_EQ(check.tasks, 2);
  const std::vector<CountMismatch> expected = {
      {.name_space = "n", .status = Status::kFailed, .counted = 3, .actual = 0},
      {.name_space = "n", .status = Status::kIgnored, .counted = 0, .actual = 1}};
  EXPECT_EQ(check.mismatches, expected);
}

}  // namespace
}  // namespace tracker::store
