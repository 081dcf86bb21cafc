// Client::Run: how a function's end becomes the task's.
#include <gtest/gtest.h>

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

TEST(Run, NestedAndOddExceptionsAreNamed) {
  Harness h;
  const auto nested = [](TaskGuard&) {
    try {
      throw std::out_of_range("inner");
    } catch (...) {
      std::throw_with_nested(std::runtime_error("outer"));
    }
  };
  EXPECT_THROW(h.client->Run("jobs", "a", nested).IgnoreError(), std::runtime_error);
  EXPECT_NE(h.last().fail().message().find("outer; caused by std::out_of_range: inner"),
            std::string::npos)
      << h.last().fail().message();
  EXPECT_THROW(h.client->Run("jobs", "a", [](TaskGuard&) { throw 7; }).IgnoreError(), int);
  EXPECT_EQ(h.last().fail().message(), "int");
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
