// The client against a real trackerd that stalls, is killed and comes back.
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <fstream>
#include <sstream>
#include <thread>

#include "tests/client/live_world.h"
#include "tests/support/child_process.h"

namespace tracker::testing {
namespace {

TEST_F(Live, HeartbeatsKeepAShortLease) {
  auto guard = Start("a", absl::Milliseconds(600));
  ASSERT_TRUE(guard.ok()) << guard.status();
  Sleep(absl::Milliseconds(1500));
  EXPECT_TRUE(guard->held());
  EXPECT_EQ(ReasonOf(Start("a", absl::Seconds(1)).status()), Reason::kTaskLocked);
  EXPECT_TRUE(std::move(*guard).Succeed(R"({"n":1})").ok());
  const auto task = client_->Get("jobs", "a");
  ASSERT_TRUE(task.ok());
  EXPECT_EQ(task->status, TaskStatus::kSucceeded);
  EXPECT_EQ(task->data, R"({"n":1})");
  EXPECT_TRUE(task->errors.empty());
}

TEST_F(Live, RefusalsSayWhoAndUntilWhen) {
  auto guard = Start("a", absl::Seconds(30));
  ASSERT_TRUE(guard.ok());
  const absl::Status refused = Start("a", absl::Seconds(30)).status();
  ASSERT_TRUE(TaskOf(refused)) << refused;
  EXPECT_EQ(TaskOf(refused)->worker, guard->task().worker);
  EXPECT_GT(RetryAfterOf(refused).value_or(absl::ZeroDuration()), absl::Seconds(20));

  auto thief = client_->Start("jobs", "a", {.ignore_lock = true});
  ASSERT_TRUE(thief.ok());
  EXPECT_EQ(thief->fence(), guard->fence() + 1);
  EXPECT_EQ(ReasonOf(guard->Heartbeat()), Reason::kLockLost);
  EXPECT_TRUE(guard->stop_token().stop_requested());
  EXPECT_EQ(ReasonOf(std::move(*guard).Succeed()), Reason::kLockLost);
  EXPECT_TRUE(std::move(*thief).Succeed().ok());
}

TEST_F(Live, TokenStopsBeforeTheLeaseIsOverWhileTheServerHangs) {
  const auto begin = std::chrono::steady_clock::now();
  auto guard = Start("a", absl::Seconds(4));
  ASSERT_TRUE(guard.ok());
  kill(server_->pid(), SIGSTOP);
  while (!guard->stop_token().stop_requested()) Sleep(absl::Milliseconds(5));
  const auto took = std::chrono::steady_clock::now() - begin;
  kill(server_->pid(), SIGCONT);
  EXPECT_LT(took, std::chrono::seconds(4));
  EXPECT_GT(took, std::chrono::seconds(2));
  std::move(*guard).Release().IgnoreError();
}

TEST_F(Live, ReportOutlastsAKilledServer) {
  auto guard = Start("a", absl::Seconds(20));
  ASSERT_TRUE(guard.ok());
  ASSERT_TRUE(server_->StopBy(SIGKILL).ok());
  absl::Status reported;
  std::thread report([&] { reported = std::move(*guard).Succeed(); });
  Sleep(absl::Milliseconds(300));
  // Not on a thread that ends: the server is tied to the thread that starts it.
  EXPECT_TRUE(server_->StartAgain().ok());
  report.join();
  EXPECT_TRUE(reported.ok()) << reported;
  const auto task = client_->Get("jobs", "a");
  ASSERT_TRUE(task.ok());
  EXPECT_EQ(task->status, TaskStatus::kSucceeded);
  EXPECT_EQ(task->attempts, 1);
}

TEST_F(Live, HeartbeatsOutlastAKilledServer) {
  auto guard = Start("a", absl::Seconds(4));
  ASSERT_TRUE(guard.ok());
  ASSERT_TRUE(server_->StopBy(SIGKILL).ok());
  Sleep(absl::Seconds(2));
  ASSERT_TRUE(server_->StartAgain().ok());
  Sleep(absl::Seconds(3));
  EXPECT_TRUE(guard->held());
  EXPECT_TRUE(std::move(*guard).Succeed().ok());
}

std::string ReadFile(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// A worker that is stopped, as by a debugger or a laptop's lid, while another one takes over.
TEST_F(Live, StoppedWorkerThatWakesAfterATakeoverKnowsAndIsRefused) {
  const std::string output = folder_ + "/output";
  const auto worker = StartChild({STOPPED_WORKER, server_->address(), "a", "1000"},
                                 {.output_file = output, .die_with_parent = true});
  ASSERT_TRUE(worker.ok()) << worker.status();
  while (ReadFile(output) != "started\n") Sleep(absl::Milliseconds(5));
  ASSERT_EQ(kill(*worker, SIGSTOP), 0);

  auto heir = Start("a", absl::Seconds(30));
  while (!heir.ok()) {
    ASSERT_EQ(ReasonOf(heir.status()), Reason::kTaskLocked) << heir.status();
    Sleep(absl::Milliseconds(20));
    heir = Start("a", absl::Seconds(30));
  }
  EXPECT_EQ(heir->fence(), 2);
  EXPECT_EQ(ReadFile(output), "started\n");
  ASSERT_EQ(kill(*worker, SIGCONT), 0);

  int exit_status = -1;
  ASSERT_TRUE(WaitForChild(*worker, absl::Seconds(20), &exit_status));
  EXPECT_EQ(exit_status, 0);
  const std::string said = ReadFile(output);
  EXPECT_EQ(said.find("started\nnot held\ntold: "), 0u) << said;
  EXPECT_NE(said.find("\nlate: LOCK_LOST\n"), std::string::npos) << said;
  EXPECT_TRUE(std::move(*heir).Succeed(R"({"by":"the heir"})").ok());
  const auto task = client_->Get("jobs", "a");
  ASSERT_TRUE(task.ok());
  EXPECT_EQ(task->data, R"({"by":"the heir"})");
  ASSERT_EQ(task->errors.size(), 1u);
  EXPECT_EQ(task->errors[0].kind, ErrorKind::kLeaseExpired);
}

TEST_F(Live, HungWorkerLosesItsTaskAtTheTimeLimit) {
  auto hung = client_->Start("jobs", "a",
                             {.lease = absl::Milliseconds(400),
                              .create_if_missing = true,
                              .time_limit = absl::Milliseconds(800)});
  ASSERT_TRUE(hung.ok());
  auto heir = Start("a", absl::Seconds(30));
  while (!heir.ok()) {
    Sleep(absl::Milliseconds(20));
    heir = Start("a", absl::Seconds(30));
  }
  EXPECT_TRUE(hung->stop_token().stop_requested());
  EXPECT_TRUE(absl::IsDeadlineExceeded(hung->lost())) << hung->lost();
  EXPECT_EQ(ReasonOf(std::move(*hung).Succeed()), Reason::kLockLost);
  EXPECT_TRUE(std::move(*heir).Succeed().ok());
}

TEST_F(Live, RunLeavesTheReason) {
  ASSERT_TRUE(client_->Create({"jobs", "a"}).ok());
  EXPECT_THROW(
      client_
          ->Run("jobs", "a", [](TaskGuard&) { throw std::runtime_error("page 2 is \xff blank"); })
          .IgnoreError(),
      std::runtime_error);
  const auto task = client_->Get("jobs", "a");
  ASSERT_TRUE(task.ok());
  EXPECT_EQ(task->status, TaskStatus::kFailed);
  ASSERT_EQ(task->errors.size(), 1u);
  EXPECT_EQ(task->errors[0].message, "std::runtime_error: page 2 is \uFFFD blank");
}

TEST_F(Live, EveryCallOfTheClient) {
  std::vector<NewTask> tasks;
  for (int i = 0; i < 1200; ++i) tasks.push_back({"jobs", "t" + std::to_string(i), R"({"i":1})"});
  for (const auto& task : client_->CreateAll(tasks)) ASSERT_TRUE(task.ok()) << task.status();
  EXPECT_EQ(ReasonOf(client_->Create(tasks[0]).status()), Reason::kTaskExists);
  int listed = 0;
  ASSERT_TRUE(client_
                  ->ListEach({.name_space = "jobs", .page_size = 500},
                             [&listed](const Task& task) {
                               listed += task.data == R"({"i":1})";
                               return true;
                             })
                  .ok());
  EXPECT_EQ(listed, 1200);
  const auto counts = client_->Count("jobs");
  ASSERT_TRUE(counts.ok());
  ASSERT_EQ(counts->size(), 1u);
  EXPECT_EQ((*counts)[0].count, 1200);

  auto guard = Start("t1", absl::Seconds(30));
  ASSERT_TRUE(guard.ok());
  const std::string lock = std::move(*guard).Detach();
  EXPECT_TRUE(client_->Heartbeat("jobs", "t1", lock, absl::Seconds(60), R"({"i":2})").ok());
  EXPECT_EQ(ReasonOf(client_->Reset("jobs", "t1").status()), Reason::kTaskLocked);
  EXPECT_TRUE(client_->Release("jobs", "t1", lock).ok());
  EXPECT_EQ(ReasonOf(client_->Succeed("jobs", "t1", lock).status()), Reason::kLockLost);
  EXPECT_TRUE(client_->Ignore("jobs", "t1").ok());
  EXPECT_EQ(ReasonOf(Start("t1", absl::Seconds(1)).status()), Reason::kTaskIgnored);
  EXPECT_TRUE(client_->Reset("jobs", "t1").ok());
  EXPECT_TRUE(client_->Delete("jobs", "t1").ok());
  EXPECT_EQ(ReasonOf(client_->Get("jobs", "t1").status()), Reason::kTaskNotFound);
  EXPECT_EQ(ReasonOf(client_->Get("no/such ns", "t1").status()), Reason::kInvalidArgument);
}

}  // namespace
}  // namespace tracker::testing
