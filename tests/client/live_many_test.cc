// Many guards of one process, while the server is killed and comes back.
#include <signal.h>

#include <atomic>
#include <map>
#include <thread>
#include <vector>

#include "tests/client/live_world.h"

namespace tracker::testing {
namespace {

constexpr int kGuards = 1000;

class LiveMany : public Live {
 protected:
  // All tasks there are, by how they stand.
  void ExpectAllDoneAtOnce() {
    int tasks = 0;
    ASSERT_TRUE(client_
                    ->ListEach({.name_space = "jobs", .page_size = 1000},
                               [&](const Task& task) {
                                 ++tasks;
                                 EXPECT_EQ(task.status, TaskStatus::kSucceeded) << task.id;
                                 EXPECT_EQ(task.attempts, 1) << task.id;
                                 EXPECT_EQ(task.fence, 1) << task.id;
                                 EXPECT_EQ(task.errors.size(), 0u) << task.id;
                                 EXPECT_EQ(task.data, "{\"n\":\"" + task.id + "\"}");
                                 return true;
                               })
                    .ok());
    EXPECT_EQ(tasks, kGuards);
  }
  static std::string Result(const std::string& id) { return "{\"n\":\"" + id + "\"}"; }
};

// Starts, works and successes are all under way when the server goes, twice.
TEST_F(LiveMany, KilledServerInTheMiddleOfAThousandGuards) {
  std::atomic<int> next = 0, succeeded = 0;
  std::atomic<int> kills = 0;
  std::vector<std::jthread> threads;
  for (int t = 0; t < 50; ++t) {
    threads.emplace_back([&] {
      for (int i = next++; i < kGuards; i = next++) {
        // A few hundred before the first kill, and some left for after the last.
        while (i > 300 * (kills + 1)) std::this_thread::yield();
        const std::string id = std::to_string(i);
        auto guard = Start(id, absl::Seconds(30));
        ASSERT_TRUE(guard.ok()) << guard.status();
        EXPECT_TRUE(guard->held());
        const absl::Status status = std::move(*guard).Succeed(Result(id));
        EXPECT_TRUE(status.ok()) << status;
        succeeded += status.ok();
      }
    });
  }
  for (int kill = 0; kill < 2; ++kill) {
    while (succeeded < 150 + 300 * kill) std::this_thread::yield();
    ASSERT_TRUE(server_->StopBy(SIGKILL).ok());
    kills = kill + 1;  // more calls, while nobody is there
    Sleep(absl::Milliseconds(200));
    ASSERT_TRUE(server_->StartAgain().ok());
  }
  kills = 100;
  threads.clear();
  EXPECT_EQ(succeeded, kGuards);
  ExpectAllDoneAtOnce();
}

// All are held, by heartbeats, from before the kill until after the server's return.
TEST_F(LiveMany, AThousandGuardsHeldThroughARestart) {
  std::vector<TaskGuard> guards;
  for (int i = 0; i < kGuards; ++i) {
    auto guard = Start(std::to_string(i), absl::Seconds(5));
    ASSERT_TRUE(guard.ok()) << guard.status();
    guards.push_back(*std::move(guard));
  }
  ASSERT_TRUE(server_->StopBy(SIGKILL).ok());
  Sleep(absl::Seconds(1));
  ASSERT_TRUE(server_->StartAgain().ok());
  // Longer than their leases: they live by what was renewed since.
  Sleep(absl::Seconds(6));
  std::atomic<size_t> next = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 50; ++t) {
      threads.emplace_back([&] {
        for (size_t i = next++; i < guards.size(); i = next++) {
          EXPECT_TRUE(guards[i].held()) << guards[i].lost();
          const absl::Status status = std::move(guards[i]).Succeed(Result(guards[i].task().id));
          EXPECT_TRUE(status.ok()) << status;
        }
      });
    }
  }
  ExpectAllDoneAtOnce();
}

}  // namespace
}  // namespace tracker::testing
