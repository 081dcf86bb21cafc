// Claims of the client library against a real server: guards by Client::Claim, and a Worker that is
// told no ids.
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "tests/client/fake_world.h"
#include "tracker/worker.h"

namespace tracker::testing {
namespace {

class FakeClaim : public FakeWorld {
 protected:
  void Create(const std::vector<NewTask>& tasks) {
    for (const auto& task : client_->CreateAll(tasks)) ASSERT_TRUE(task.ok()) << task.status();
  }
  std::map<TaskStatus, int64_t> Counts() {
    std::map<TaskStatus, int64_t> counts;
    const auto answer = client_->Count("jobs");
    EXPECT_TRUE(answer.ok()) << answer.status();
    for (const auto& count : *answer) counts[count.status] = count.count;
    return counts;
  }
};

TEST_F(FakeClaim, GuardsComeByPriorityAndReportByThemselves) {
  Create({{.name_space = "jobs", .id = "low"},
          {.name_space = "jobs", .id = "high", .priority = 7},
          {.name_space = "jobs", .id = "middle", .priority = 3}});
  auto two = client_->Claim("jobs", {.limit = 2});
  ASSERT_TRUE(two.ok()) << two.status();
  ASSERT_EQ(two->size(), 2u);
  EXPECT_EQ((*two)[0].task().id, "high");
  EXPECT_EQ((*two)[1].task().id, "middle");
  EXPECT_TRUE(std::move((*two)[0]).Succeed().ok());
  EXPECT_TRUE(std::move((*two)[1]).Release().ok());
  EXPECT_EQ(Counts(), (std::map<TaskStatus, int64_t>{{TaskStatus::kPending, 2},
                                                     {TaskStatus::kSucceeded, 1}}));
}

TEST_F(FakeClaim, NothingToDoIsNoError) {
  const auto none = client_->Claim("jobs", {.limit = 5});
  ASSERT_TRUE(none.ok()) << none.status();
  EXPECT_TRUE(none->empty());
}

TEST_F(FakeClaim, ATaskThatWaitsForItsTimeIsClaimedWhenThatHasCome) {
  Create({{.name_space = "jobs", .id = "later", .available_time = fake_->Now() + absl::Hours(2)}});
  EXPECT_TRUE(client_->Claim("jobs")->empty());
  fake_->Advance(absl::Hours(2));
  const auto claimed = client_->Claim("jobs", {.wait = absl::Seconds(10)});
  ASSERT_TRUE(claimed.ok()) << claimed.status();
  EXPECT_EQ(claimed->size(), 1u);
}

TEST_F(FakeClaim, AStepWaitsForTheOneBefore) {
  Create({{.name_space = "extract", .id = "a"}, {.name_space = "jobs", .id = "a"}});
  EXPECT_TRUE(client_->Claim("jobs", {.after = {"extract"}})->empty());
  auto first = client_->Start("extract", "a");
  ASSERT_TRUE(first.ok()) << first.status();
  ASSERT_TRUE(std::move(*first).Succeed().ok());
  const auto claimed = client_->Claim("jobs", {.wait = absl::Seconds(10), .after = {"extract"}});
  ASSERT_TRUE(claimed.ok()) << claimed.status();
  EXPECT_EQ(claimed->size(), 1u);
}

TEST_F(FakeClaim, AWorkerWithoutIdsWorksThroughWhatThereIsAndWhatComes) {
  constexpr int kTasks = 60;
  absl::Mutex mutex;
  std::map<std::string, int> worked;
  absl::BlockingCounter left(kTasks);
  Worker worker(client_, {.name_space = "jobs", .concurrency = 4}, [&](TaskGuard& task) {
    {
      absl::MutexLock lock(&mutex);
      worked[task.task().id] += 1;
    }
    left.DecrementCount();
    return absl::OkStatus();
  });
  std::vector<NewTask> tasks;
  for (int i = 0; i < kTasks; ++i) tasks.push_back({.name_space = "jobs", .id = std::to_string(i)});
  Create({tasks.begin(), tasks.begin() + kTasks / 2});
  ASSERT_TRUE(worker.Start().ok());
  Create({tasks.begin() + kTasks / 2, tasks.end()});
  left.Wait();
  EXPECT_TRUE(worker.Stop().ok());
  for (const auto& [id, times] : worked) EXPECT_EQ(times, 1) << id;
  EXPECT_EQ(Counts(), (std::map<TaskStatus, int64_t>{{TaskStatus::kSucceeded, kTasks}}));
  EXPECT_EQ(worker.stats().succeeded, kTasks);
}

}  // namespace
}  // namespace tracker::testing
