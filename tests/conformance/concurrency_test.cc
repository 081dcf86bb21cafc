// Two stores on one database, many threads: one winner, and nothing lost.
#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <map>
#include <mutex>
#include <random>
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
using domain::Fail;
using domain::Heartbeat;
using domain::Outcome;
using domain::Reason;
using domain::Release;
using domain::Start;
using domain::Status;
using domain::Succeed;

class ConcurrencyTest : public StoreTest {};
INSTANTIATE_FOR_ALL_STORES(ConcurrencyTest);

TEST_P(ConcurrencyTest, OfManyRacersExactlyOneGetsTheTask) {
  constexpr int kRacers = 64;
  constexpr int kRounds = 200;
  const std::unique_ptr<Store> other = OpenAnother();
  std::atomic<int> winners = 0;
  std::atomic<int> locked = 0;
  // Even rounds: the task is there. Odd ones: each racer would make it.
  std::barrier begin(kRacers + 1), end(kRacers + 1);
  std::vector<std::thread> threads;
  for (int racer = 0; racer < kRacers; ++racer) {
    threads.emplace_back([&, racer] {
      Store& mine = racer % 2 == 0 ? store() : *other;
      for (int round = 0; round < kRounds; ++round) {
        const Start start = {.worker = absl::StrCat("racer-", racer), .create_if_missing = true};
        const std::vector<Command> commands = {Make(absl::StrCat("race-", round), start)};
        begin.arrive_and_wait();
        // The row is held all the time, by one racer after the other.
        const Outcome outcome =
            mine.Apply(domain::PointersTo(commands), {.patience = absl::Minutes(1)})[0];
        if (outcome.ok()) ++winners;
        if (outcome.reason == Reason::kTaskLocked) ++locked;
        if (!outcome.ok() && outcome.reason != Reason::kTaskLocked) {
          ADD_FAILURE() << ToText(outcome);
        }
        end.arrive_and_wait();
      }
    });
  }
  for (int round = 0; round < kRounds; ++round) {
    if (round % 2 == 0) CreateAll({absl::StrCat("race-", round)});
    winners = locked = 0;
    begin.arrive_and_wait();
    end.arrive_and_wait();
    EXPECT_EQ(winners, 1) << "round " << round;
    EXPECT_EQ(locked, kRacers - 1) << "round " << round;
    EXPECT_EQ(Get(absl::StrCat("race-", round)).task->fence, 1);
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(Value(store().Count(kNamespace)),
            (std::vector<StatusCount>{{kNamespace, Status::kInProgress, kRounds}}));
}

// Workers that take tasks in batches and end them in any way. Who holds what is also kept here, in
// memory, so that two holders at once would be seen.
class Workload {
 public:
  static constexpr int kTasks = 25;

  void Run(Store& store, uint64_t seed,
           const std::function<std::vector<Outcome>(Store&, const std::vector<Command>&)>& apply,
           const std::function<Command(int, domain::Action, std::string)>& make) {
    std::mt19937_64 random(seed);
    const auto pick = [&](int n) { return std::uniform_int_distribution<int>(0, n - 1)(random); };
    for (int round = 0; round < 150; ++round) {
      std::vector<Command> starts;
      std::set<int> wanted;
      while (wanted.size() < 6) wanted.insert(pick(kTasks));
      std::vector<int> order(wanted.begin(), wanted.end());
      std::shuffle(order.begin(), order.end(), random);
      for (int task : order) {
        starts.push_back(make(task, Start{.force = true, .create_if_missing = true}, ""));
      }
      const std::vector<Outcome> outcomes = apply(store, starts);
      std::vector<Command> ends;
      for (size_t i = 0; i < order.size(); ++i) {
        if (!outcomes[i].ok()) {
          EXPECT_EQ(outcomes[i].reason, Reason::kTaskLocked) << ToText(outcomes[i]);
          continue;
        }
        Took(order[i], outcomes[i].task->fence);
        const std::string& lock = starts[i].token;
        ends.push_back(
            make(order[i], Heartbeat{.data = absl::StrCat("{\"n\":", round, "}")}, lock));
        switch (pick(3)) {
          case 0: ends.push_back(make(order[i], Succeed{}, lock)); break;
          case 1: ends.push_back(make(order[i], Fail{.message = "no"}, lock)); break;
          default: ends.push_back(make(order[i], Release{}, lock)); break;
        }
      }
      for (const Command& command : ends) {
        if (!std::holds_alternative<Heartbeat>(command.action)) holders_[TaskOf(command)] = 0;
      }
      for (const Outcome& outcome : apply(store, ends)) EXPECT_OK(outcome);
    }
  }

  // Each fence was given out once, and none was left out.
  void CheckFences(const std::function<int64_t(int)>& last_fence) {
    for (int task = 0; task < kTasks; ++task) {
      const std::set<int64_t>& fences = fences_[task];
      EXPECT_EQ(static_cast<int64_t>(fences.size()), last_fence(task)) << task;
      if (!fences.empty()) {
        EXPECT_EQ(*fences.begin(), 1);
        EXPECT_EQ(*fences.rbegin(), last_fence(task));
      }
    }
  }

 private:
  static int TaskOf(const Command& command) { return std::stoi(command.key.id.substr(5)); }

  void Took(int task, int64_t fence) {
    EXPECT_EQ(holders_[task].exchange(1), 0) << "two holders of task " << task;
    std::lock_guard<std::mutex> lock(mutex_);
    EXPECT_TRUE(fences_[task].insert(fence).second) << "fence given out twice";
  }

  std::atomic<int> holders_[kTasks] = {};
  std::mutex mutex_;
  std::map<int, std::set<int64_t>> fences_;
};

TEST_P(ConcurrencyTest, RandomWorkThroughTwoStoresKeepsTheInvariants) {
  const std::unique_ptr<Store> other = OpenAnother();
  Workload workload;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      workload.Run(
          i % 2 == 0 ? store() : *other, 7000 + i,
          [](Store& store, const std::vector<Command>& commands) {
            return store.Apply(domain::PointersTo(commands), {.patience = absl::Minutes(1)});
          },
          [](int task, domain::Action action, std::string token) {
            return Make(absl::StrCat("task-", task), std::move(action), std::move(token));
          });
    });
  }
  for (std::thread& thread : threads) thread.join();
  workload.CheckFences([&](int task) -> int64_t {
    const Outcome got = Get(absl::StrCat("task-", task));
    return got.ok() ? got.task->fence : 0;
  });
  EXPECT_EQ(Value(store().Count(kNamespace)), Recount(store(), kNamespace));
  EXPECT_EQ(Value(other->Count(kNamespace)), Recount(*other, kNamespace));
}

TEST_P(ConcurrencyTest, StoresThatOpenANewDatabaseTogetherAllSucceed) {
  // A database that nobody has opened yet.
  std::string fresh;
  if (sqlite()) {
    fresh = absl::StrCat("sqlite:", (folder() / "fresh.db").string());
  } else {
    static int databases = 0;
    const std::string name = absl::StrCat("fresh", ++databases);
    ASSERT_OK(SharedPostgres().CreateDatabase(name));
    fresh = SharedPostgres().Url(name);
  }
  std::barrier begin(8);
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      begin.arrive_and_wait();
      absl::StatusOr<std::unique_ptr<Store>> opened = Open(fresh, {});
      ASSERT_OK(opened);
      const std::vector<Command> commands = {
          Make(absl::StrCat("t", i), Start{.create_if_missing = true})};
      EXPECT_OK(ApplyTo(**opened, commands)[0]);
    });
  }
  for (std::thread& thread : threads) thread.join();
  const auto opened = Open(fresh, {.migrate = false});
  ASSERT_OK(opened);
  EXPECT_EQ(Total(Value((*opened)->Count(kNamespace))), 8);
}

}  // namespace
}  // namespace tracker::store
