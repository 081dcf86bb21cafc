// Jobs: bulk updates, and the reaper's and the purge's work by hand.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "src/base/token.h"
#include "src/service/bulk_job.h"
#include "src/service/job_pool.h"
#include "src/service/upkeep_jobs.h"
#include "tests/service/fake_store.h"

namespace tracker::service {
namespace {

using domain::Status;

// Passes time instead of waiting, and ends the job when that is up.
class FakeControl final : public JobControl {
 public:
  absl::Status Check() override { return Wait(absl::ZeroDuration()); }
  absl::Status Wait(absl::Duration duration) override {
    now += duration;
    if (on_wait) on_wait();
    return now > end ? absl::CancelledError("the caller has gone") : absl::OkStatus();
  }

  absl::Time now = absl::FromUnixSeconds(0);
  absl::Time end = absl::InfiniteFuture();
  std::function<void()> on_wait;
};

class JobTest : public ::testing::Test {
 protected:
  std::vector<domain::Outcome> Apply(const std::vector<domain::Command>& commands) {
    return store_.Apply(domain::PointersTo(commands));
  }
  void Write(const std::string& id, domain::Action action, const std::string& token = "lock") {
    const domain::Command command{.key = {"ns", id}, .token = token, .action = std::move(action)};
    const domain::Command* pointer = &command;
    ASSERT_TRUE(store_.Apply({&pointer, 1})[0].ok());
  }
  // A task that has been tried once, and came to this.
  void Make(const std::string& id, Status status) {
    Write(id, domain::Create{}, NewLockToken());
    if (status == Status::kPending) return;
    Write(id, domain::Start{});
    if (status == Status::kFailed) Write(id, domain::Fail{});
    if (status == Status::kExhausted) Write(id, domain::Fail{.no_retry = true});
    if (status == Status::kSucceeded) Write(id, domain::Succeed{});
  }
  absl::Status Bulk(BulkRequest request) {
    request.filter.name_space = "ns";
    const auto write = [this](std::vector<domain::Command> commands) { return Apply(commands); };
    return BulkJob(&store_, write, std::move(request)).Run(run_);
  }
  Status StatusOf(const std::string& id) { return control_->TaskOf({"ns", id}).status; }

  std::shared_ptr<testing::FakeStore::Control> control_ =
      std::make_shared<testing::FakeStore::Control>();
  testing::FakeStore store_{control_};
  FakeControl time_;
  std::vector<JobProgress> told_;
  JobRun run_{&time_, [this](const JobProgress& progress) { told_.push_back(progress); },
              [this] { return time_.now; }};
};

TEST_F(JobTest, RetryMakesFailedAndExhaustedTasksPendingAndLeavesOthersOut) {
  for (const Status status : {Status::kPending, Status::kInProgress, Status::kFailed,
                              Status::kExhausted, Status::kSucceeded}) {
    Make(std::string(domain::StatusName(status)), status);
  }
  ASSERT_TRUE(Bulk({.action = BulkAction::kRetry}).ok());
  EXPECT_EQ(StatusOf("failed"), Status::kPending);
  EXPECT_EQ(StatusOf("exhausted"), Status::kPending);
  EXPECT_EQ(control_->TaskOf({"ns", "exhausted"}).attempts, 0);
  EXPECT_EQ(StatusOf("in_progress"), Status::kInProgress);
  EXPECT_EQ(StatusOf("succeeded"), Status::kSucceeded);
  EXPECT_EQ(run_.progress.total, 2);
  EXPECT_EQ(run_.progress.matched, 2);
  EXPECT_EQ(run_.progress.updated, 2);
  EXPECT_EQ(run_.progress.skipped, 0);
}

TEST_F(JobTest, RetryOfStatusesThatCannotBeRetriedDoesNothing) {
  Make("a", Status::kSucceeded);
  ASSERT_TRUE(Bulk({.filter = {.statuses = {Status::kSucceeded}}}).ok());
  EXPECT_EQ(run_.progress.scanned, 0);
  EXPECT_EQ(StatusOf("a"), Status::kSucceeded);
}

TEST_F(JobTest, AWalkOfManyStepsComesUponEachTaskOnce) {
  const int count = 2 * limits::kJobStep + 7;
  for (int i = 0; i < count; ++i) Make(absl::StrCat(1'000'000 + i), Status::kFailed);
  ASSERT_TRUE(Bulk({.action = BulkAction::kReset}).ok());
  EXPECT_EQ(run_.progress.scanned, count);
  EXPECT_EQ(run_.progress.updated, count);
  EXPECT_EQ(run_.progress.total, count);
}

TEST_F(JobTest, ATaskMadeAfterTheWalkBeganIsLeftOut) {
  for (int i = 0; i < limits::kJobStep + 1; ++i) {
    Make(absl::StrCat(1'000'000 + i), Status::kFailed);
  }
  time_.on_wait = [this] {
    control_->now += absl::Seconds(1);
    Make("9-new", Status::kFailed);
    time_.on_wait = nullptr;
  };
  ASSERT_TRUE(Bulk({.action = BulkAction::kDelete}).ok());
  EXPECT_EQ(control_->tasks.size(), 1);
  EXPECT_EQ(StatusOf("9-new"), Status::kFailed);
}

TEST_F(JobTest, ADryRunOnlyCounts) {
  Make("a", Status::kFailed);
  Make("b", Status::kPending);
  ASSERT_TRUE(Bulk({.action = BulkAction::kDelete, .dry_run = true}).ok());
  EXPECT_EQ(run_.progress.matched, 2);
  EXPECT_EQ(run_.progress.updated, 0);
  EXPECT_EQ(control_->tasks.size(), 2);
}

TEST_F(JobTest, AHeldTaskIsSkippedButForForce) {
  Make("a", Status::kInProgress);
  ASSERT_TRUE(Bulk({.action = BulkAction::kDelete}).ok());
  EXPECT_EQ(run_.progress.skipped, 1);
  ASSERT_TRUE(Bulk({.action = BulkAction::kReset, .force = true}).ok());
  EXPECT_EQ(run_.progress.updated, 1);
  EXPECT_EQ(StatusOf("a"), Status::kPending);
}

TEST_F(JobTest, ATaskThatChangedSinceItWasListedIsSkipped) {
  Make("a", Status::kFailed);
  const auto write = [this](std::vector<domain::Command> commands) {
    control_->now += absl::Seconds(1);
    Write("a", domain::Start{}, "another");
    Write("a", domain::Fail{}, "another");
    return Apply(commands);
  };
  BulkJob job(&store_, write, {.filter = {.name_space = "ns"}, .action = BulkAction::kIgnore});
  ASSERT_TRUE(job.Run(run_).ok());
  EXPECT_EQ(run_.progress.skipped, 1);
  EXPECT_EQ(StatusOf("a"), Status::kFailed);
}

TEST_F(JobTest, AStoreThatComesBackInTimeIsWaitedForAndNothingIsDoneTwice) {
  Make("a", Status::kFailed);
  Make("b", Status::kFailed);
  int writes = 0;
  const auto write = [&](std::vector<domain::Command> commands) {
    std::vector<domain::Outcome> outcomes = Apply(commands);
    // Committed, though the answer is lost: the database went away just then.
    if (++writes == 1) outcomes[1] = {.reason = domain::Reason::kStoreUnavailable};
    control_->Away(writes == 1);
    return outcomes;
  };
  time_.on_wait = [this] {
    if (time_.now > absl::FromUnixSeconds(10)) control_->Away(false);
  };
  BulkJob job(&store_, write, {.filter = {.name_space = "ns"}, .action = BulkAction::kDelete});
  ASSERT_TRUE(job.Run(run_).ok());
  EXPECT_GT(writes, 2);
  EXPECT_EQ(run_.progress.updated, 2);
  EXPECT_EQ(run_.progress.skipped, 0);
}

TEST_F(JobTest, AStoreThatStaysAwayEndsTheJob) {
  control_->Away(true);
  EXPECT_TRUE(absl::IsUnavailable(Bulk({.action = BulkAction::kReset})));
  EXPECT_GE(time_.now, absl::FromUnixSeconds(30));
  EXPECT_LE(time_.now, absl::FromUnixSeconds(35));
}

TEST_F(JobTest, TheRateIsKeptAndProgressIsToldMeanwhile) {
  for (int i = 0; i < 100; ++i) Make(absl::StrCat(100 + i), Status::kFailed);
  ASSERT_TRUE(Bulk({.action = BulkAction::kReset, .max_per_second = 10}).ok());
  EXPECT_EQ(run_.progress.updated, 100);
  EXPECT_GE(time_.now, absl::FromUnixSeconds(9));
  EXPECT_LE(time_.now, absl::FromUnixSeconds(11));
  EXPECT_GE(told_.size(), 9);
  EXPECT_LE(told_.size(), 51);
}

TEST_F(JobTest, AJobWhoseCallerIsGoneEndsAfterItsStep) {
  for (int i = 0; i < 100; ++i) Make(absl::StrCat(100 + i), Status::kFailed);
  time_.end = time_.now + absl::Seconds(2);
  EXPECT_TRUE(absl::IsCancelled(Bulk({.action = BulkAction::kReset, .max_per_second = 10})));
  EXPECT_LE(run_.progress.updated, 30);
  EXPECT_GE(run_.progress.updated, 10);
}

TEST_F(JobTest, ExpireEndsAllThatIsDue) {
  const int count = limits::kReapBatch + 10;
  for (int i = 0; i < count; ++i) Make(absl::StrCat(i), Status::kInProgress);
  control_->now += limits::kDefaultLease;
  ASSERT_TRUE(RunExpire(store_, {}, /*dry_run=*/true, run_).ok());
  EXPECT_EQ(run_.progress.matched, count);
  EXPECT_EQ(StatusOf("0"), Status::kInProgress);
  run_.progress = {};
  control_->held.insert({"ns", "0"});
  ASSERT_TRUE(RunExpire(store_, {}, /*dry_run=*/false, run_).ok());
  EXPECT_EQ(run_.progress.matched, count);
  EXPECT_EQ(run_.progress.updated, count - 1);
  EXPECT_EQ(run_.progress.skipped, 1);
}

TEST_F(JobTest, PurgeDeletesWhatFinishedLongerAgoThanItsNamespacesRetention) {
  for (int i = 0; i < limits::kJobStep + 10; ++i) {
    Make(absl::StrCat(1000 + i), Status::kSucceeded);
  }
  Make("unfinished", Status::kFailed);
  control_->now += absl::Minutes(1);
  Make("young", Status::kSucceeded);
  PolicyCache policies(&store_);
  ASSERT_TRUE(policies.Set({.name_space = "ns", .retention = absl::Minutes(1)}).ok());
  ASSERT_TRUE(policies.Set({.name_space = "for ever"}).ok());
  ASSERT_TRUE(RunPurge(store_, policies, "", /*dry_run=*/true, run_).ok());
  EXPECT_EQ(run_.progress.matched, limits::kJobStep + 10);
  EXPECT_EQ(run_.progress.updated, 0);
  run_.progress = {};
  ASSERT_TRUE(RunPurge(store_, policies, "for ever", /*dry_run=*/false, run_).ok());
  EXPECT_EQ(run_.progress.matched, 0);
  ASSERT_TRUE(RunPurge(store_, policies, "ns", /*dry_run=*/false, run_).ok());
  EXPECT_EQ(run_.progress.updated, limits::kJobStep + 10);
  EXPECT_EQ(control_->tasks.size(), 2);
}

TEST(JobPool, TurnsAwayWhatItHasNoThreadForAndEndsJobsWhenItStops) {
  JobPool pool(1);
  absl::Notification started, ended;
  absl::Status end;
  JobPool::Job job = [&](JobControl& control) {
    started.Notify();
    end = control.Wait(absl::Hours(1));
    ended.Notify();
  };
  ASSERT_TRUE(pool.Submit({}, job).ok());
  started.WaitForNotification();
  JobPool::Job another = [](JobControl&) {};
  EXPECT_TRUE(absl::IsResourceExhausted(pool.Submit({}, another)));
  pool.Stop();
  EXPECT_TRUE(ended.HasBeenNotified());
  EXPECT_TRUE(absl::IsUnavailable(end));
  EXPECT_TRUE(absl::IsUnavailable(pool.Submit({}, another)));
}

TEST(JobPool, AJobSeesThatItsCallerIsGone) {
  JobPool pool(1);
  auto cancelled = std::make_shared<std::atomic<bool>>(false);
  absl::Notification started;
  absl::Status end;
  JobPool::Job job = [&](JobControl& control) {
    started.Notify();
    end = control.Wait(absl::Hours(1));
  };
  ASSERT_TRUE(pool.Submit({.cancelled = cancelled}, job).ok());
  started.WaitForNotification();
  *cancelled = true;
  // Its thread is free again once it has seen that.
  JobPool::Job next = [](JobControl&) {};
  while (!pool.Submit({}, next).ok()) std::this_thread::yield();
  EXPECT_TRUE(absl::IsCancelled(end));
}

}  // namespace
}  // namespace tracker::service
