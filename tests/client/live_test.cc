// The client against a real trackerd that stalls, is killed and comes back.
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "tests/support/trackerd_process.h"
#include "tracker/client.h"

namespace tracker::testing {
namespace {

class Live : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string folder =
        (std::filesystem::temp_directory_path() / "tracker_client_live.XXXXXX").string();
    ASSERT_NE(mkdtemp(folder.data()), nullptr);
    folder_ = folder;
    auto server = TrackerdProcess::Start(TRACKERD, "sqlite:" + folder_ + "/tracker.db");
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    client_ = Client::Connect(server_->address());
  }
  void TearDown() override {
    client_.reset();  // a server that drains waits for its clients
    server_.reset();
    std::filesystem::remove_all(folder_);
  }

  absl::StatusOr<TaskGuard> Start(const std::string& id, absl::Duration lease) {
    return client_->Start("jobs", id, {.lease = lease, .create_if_missing = true});
  }
  static void Sleep(absl::Duration duration) {
    std::this_thread::sleep_for(absl::ToChronoMilliseconds(duration));
  }

  std::string folder_;
  std::unique_ptr<TrackerdProcess> server_;
  std::shared_ptr<Client> client_;
};

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
  auto guard = Start("a", absl::Milliseconds(800));
  ASSERT_TRUE(guard.ok());
  kill(server_->pid(), SIGSTOP);
  while (!guard->stop_token().stop_requested()) Sleep(absl::Milliseconds(5));
  const auto took = std::chrono::steady_clock::now() - begin;
  kill(server_->pid(), SIGCONT);
  EXPECT_LT(took, std::chrono::milliseconds(800));
  EXPECT_GT(took, std::chrono::milliseconds(400));
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
