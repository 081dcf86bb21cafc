// Client::Run: how a function's end becomes the task's.
#include <gtest/gtest.h>

#include <functional>
#include <stdexcept>

#include "tests/client/scripted_transport.h"

namespace tracker::testing {
namespace {

using Op = v1::Operation;

struct Custom : std::runtime_error {
  using std::runtime_error::runtime_error;
};

TEST(Run, ReturnIsSuccess) {
  Harness h;
  int calls = 0;
  EXPECT_TRUE(
      h.client->Run("jobs", "a", [&](TaskGuard& task) { calls += task.fence() == 7; }).ok());
  EXPECT_EQ(calls, 1);
  EXPECT_TRUE(h.last().has_succeed());
  EXPECT_FALSE(h.last().succeed().has_data());
}

TEST(Run, ReturnedStringIsTheData) {
  Harness h;
  EXPECT_TRUE(h.client->Run("jobs", "a", [](TaskGuard&) { return R"({"n":1})"; }).ok());
  EXPECT_EQ(h.last().succeed().data().fields().at("n").number_value(), 1);
  EXPECT_TRUE(
      h.client
          ->Run("jobs", "a", [](TaskGuard&) -> absl::StatusOr<std::string> { return "{\"n\":2}"; })
          .ok());
  EXPECT_EQ(h.last().succeed().data().fields().at("n").number_value(), 2);
}

TEST(Run, StatusThatIsNotOkIsFailure) {
  Harness h;
  const absl::Status status =
      h.client->Run("jobs", "a", [](TaskGuard&) { return absl::DataLossError("page 3"); });
  EXPECT_EQ(status, absl::DataLossError("page 3"));
  EXPECT_FALSE(ReportFailed(status));
  EXPECT_EQ(h.last().fail().message(), "DATA_LOSS: page 3");
}

TEST(Run, ExceptionIsFailureAndThrownOn) {
  Harness h;
  EXPECT_THROW(
      h.client->Run("jobs", "a", [](TaskGuard&) { throw Custom("no such page"); }).IgnoreError(),
      Custom);
  EXPECT_EQ(h.server->Count(Op::kFail), 1);
  EXPECT_EQ(h.last().fail().message(),
            "tracker::testing::(anonymous namespace)::Custom: no such page");
}

TEST(Run, ReturnedFailureHasNoTraceback) {
  Harness h;
  h.client->Run("jobs", "a", [](TaskGuard&) { return absl::DataLossError("page 3"); })
      .IgnoreError();
  EXPECT_EQ(h.last().fail().traceback(), "");
}

TEST(Run, FailureSaysWhetherAndWhenToRetry) {
  Harness h;
  const auto fail = [&](const absl::Status& status) {
    EXPECT_EQ(h.client->Run("jobs", "a", [&](TaskGuard&) { return status; }), status);
    return h.last().fail();
  };
  const absl::Status bad = absl::InvalidArgumentError("no customer");
  EXPECT_FALSE(fail(bad).no_retry());
  EXPECT_TRUE(fail(NonRetryable(bad)).no_retry());
  EXPECT_EQ(h.last().fail().message(), "INVALID_ARGUMENT: no customer");
  EXPECT_FALSE(fail(bad).has_retry_delay());
  EXPECT_EQ(fail(RetryAfter(absl::Minutes(2), bad)).retry_delay().seconds(), 120);
  EXPECT_EQ(fail(RetryAfter(-absl::Minutes(2), bad)).retry_delay().seconds(), 0);
  EXPECT_TRUE(NonRetryable(absl::OkStatus()).ok());
  EXPECT_TRUE(RetryAfter(absl::Seconds(1), absl::OkStatus()).ok());
}

TEST(Run, ExceptionSaysWhetherAndWhenToRetry) {
  Harness h;
  const auto fail = [&](const std::function<void(TaskGuard&)>& work) {
    EXPECT_ANY_THROW(h.client->Run("jobs", "a", work).IgnoreError());
    return h.last().fail();
  };
  EXPECT_TRUE(fail([](TaskGuard&) { throw NonRetryableError("no customer"); }).no_retry());
  EXPECT_EQ(h.last().fail().message(), "tracker::NonRetryableError: no customer");
  const auto later =
      fail([](TaskGuard&) { throw RetryAfterError(absl::Milliseconds(1500), "closed"); });
  EXPECT_EQ(later.retry_delay().nanos(), 500000000);
  EXPECT_FALSE(later.no_retry());
  EXPECT_TRUE(fail([](TaskGuard&) {
                try {
                  throw NonRetryableError("inner");
                } catch (...) {
                  std::throw_with_nested(std::runtime_error("outer"));
                }
              }).no_retry());
  EXPECT_FALSE(fail([](TaskGuard&) { throw Custom("x"); }).no_retry());
}

TEST(Run, LoggerIsToldOfBeginAndEnd) {
  std::vector<std::pair<LogLevel, std::string>> lines;
  Harness h({.worker = "me", .logger = [&](LogLevel level, const std::string& line) {
               lines.emplace_back(level, line);
               throw std::runtime_error("a logger that throws stops no work");
             }});
  EXPECT_TRUE(
      h.client->Run("jobs", "a", [&](TaskGuard&) { h.clock.Advance(absl::Seconds(2)); }).ok());
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0].second,
            "begin namespace=jobs id=\"a\" attempt=0/0 fence=7 worker=\"\" lease=9s");
  EXPECT_EQ(lines[1].second,
            "end namespace=jobs id=\"a\" attempt=0/0 fence=7 result=succeeded took=2s");
  lines.clear();
  h.server->FailNext({absl::OkStatus(), LockLost()});
  h.client->Run("jobs", "a", [](TaskGuard&) { return absl::DataLossError("line 1\nline 2"); })
      .IgnoreError();
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[1].first, LogLevel::kWarning);
  EXPECT_EQ(
      lines[1].second,
      "end namespace=jobs id=\"a\" attempt=0/0 fence=7 result=failed took=0 "
      "message=\"DATA_LOSS: line 1\\nline 2\" report_error=\"ABORTED: LOCK_LOST for this test\"");
  EXPECT_EQ(lines[1].second.find(h.server->writes.back().fail().lock()), std::string::npos);
}

TEST(Run, LoggerIsToldOfALostLockOnce) {
  std::vector<std::pair<LogLevel, std::string>> lines;
  Harness h({.logger = [&](LogLevel level, const std::string& line) {
    lines.emplace_back(level, line);
  }});
  TaskGuard lost = h.Start(), closed = h.Start();
  EXPECT_TRUE(std::move(closed).Succeed().ok());
  lines.clear();
  h.clock.Advance(absl::Hours(1));
  h.core->keeper().RunOnce();
  h.core->keeper().RunOnce();
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0].first, LogLevel::kWarning);
  EXPECT_EQ(lines[0].second,
            "lost namespace=jobs id=\"a\" attempt=0/0 fence=7 error=\"DEADLINE_EXCEEDED: the lease "
            "comes to its end, and no heartbeat was answered\"");
}

TEST(Run, ReportErrorIsToldFromWorkError) {
  Harness h;
  h.server->FailNext({absl::OkStatus(), LockLost()});
  const absl::Status status = h.client->Run("jobs", "a", [](TaskGuard&) {});
  EXPECT_EQ(ReasonOf(status), Reason::kLockLost);
  EXPECT_TRUE(ReportFailed(status));
  EXPECT_EQ(h.server->Count(Op::kFail), 0);
}

TEST(Run, ResultThatCannotBeSavedFailsTheTask) {
  Harness h;
  EXPECT_TRUE(
      absl::IsInvalidArgument(h.client->Run("jobs", "a", [](TaskGuard&) { return "not json"; })));
  EXPECT_EQ(h.last().fail().message().find("the result could not be saved: data is not JSON"), 0u);
}

TEST(Run, GuardClosedByTheFunctionIsNotReportedAgain) {
  Harness h;
  EXPECT_TRUE(h.client
                  ->Run("jobs", "a",
                        [](TaskGuard& task) { return std::move(task).Release(absl::Seconds(1)); })
                  .ok());
  EXPECT_EQ(h.server->writes.size(), 2u);
}

TEST(Run, RefusedStartDoesNotCall) {
  Harness h;
  v1::Task task;
  task.set_worker("host:1:1");
  task.set_status(v1::STATUS_IN_PROGRESS);
  h.server->FailNext(
      {Refusal(absl::StatusCode::kAborted, "TASK_LOCKED", task, absl::Milliseconds(2500))});
  const absl::Status status = h.client->Run("jobs", "a", [](TaskGuard&) { FAIL(); });
  EXPECT_EQ(ReasonOf(status), Reason::kTaskLocked);
  EXPECT_FALSE(ReportFailed(status));
  ASSERT_TRUE(TaskOf(status));
  EXPECT_EQ(TaskOf(status)->worker, "host:1:1");
  EXPECT_EQ(TaskOf(status)->status, TaskStatus::kInProgress);
  EXPECT_EQ(RetryAfterOf(status), absl::Milliseconds(2500));
}

}  // namespace
}  // namespace tracker::testing
