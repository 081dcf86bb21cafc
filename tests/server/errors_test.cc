#include "server/errors.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"
#include "src/base/limits.h"
#include "tracker/v1/tracker.pb.h"

namespace tracker::server {
namespace {

using domain::Reason;
using grpc::StatusCode;

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);

template <typename Detail>
std::optional<Detail> Find(const google::rpc::Status& error) {
  Detail found;
  for (const auto& detail : error.details()) {
    if (detail.UnpackTo(&found)) return found;
  }
  return std::nullopt;
}

domain::Outcome Refused(Reason reason) {
  domain::Task task{.key = {"jobs", "1"},
                    .status = domain::Status::kInProgress,
                    .attempts = 2,
                    .fence = 7,
                    .worker = "host:1",
                    .lock = "0123456789abcdef0123456789abcdef",
                    .lock_time = kNow,
                    .lock_expire_time = kNow + absl::Seconds(90),
                    .data = R"({"secret":1})"};
  task.errors.push_back({.attempt = 1, .message = "boom"});
  return {.reason = reason, .message = "why", .task = task, .now = kNow};
}

TEST(ErrorOf, GivesEachReasonItsCode) {
  const std::vector<std::pair<Reason, StatusCode>> table = {
      {Reason::kTaskNotFound, StatusCode::NOT_FOUND},
      {Reason::kTaskExists, StatusCode::ALREADY_EXISTS},
      {Reason::kTaskLocked, StatusCode::ABORTED},
      {Reason::kLockLost, StatusCode::ABORTED},
      {Reason::kTaskNotAvailable, StatusCode::FAILED_PRECONDITION},
      {Reason::kNamespacePaused, StatusCode::FAILED_PRECONDITION},
      {Reason::kTaskExhausted, StatusCode::FAILED_PRECONDITION},
      {Reason::kTaskSucceeded, StatusCode::FAILED_PRECONDITION},
      {Reason::kTaskIgnored, StatusCode::FAILED_PRECONDITION},
      {Reason::kTaskNotReady, StatusCode::FAILED_PRECONDITION},
      {Reason::kStoreUnavailable, StatusCode::UNAVAILABLE},
      {Reason::kInternal, StatusCode::INTERNAL},
      {Reason::kOverloaded, StatusCode::RESOURCE_EXHAUSTED},
      {Reason::kDeadlineExceeded, StatusCode::DEADLINE_EXCEEDED},
      {Reason::kCancelled, StatusCode::CANCELLED},
  };
  for (const auto& [reason, code] : table) {
    const google::rpc::Status error = ErrorOf(Refused(reason));
    EXPECT_EQ(error.code(), code) << domain::ReasonName(reason);
    const auto info = Find<google::rpc::ErrorInfo>(error);
    ASSERT_TRUE(info.has_value());
    EXPECT_EQ(info->domain(), "tracker");
    EXPECT_EQ(info->reason(), std::string(domain::ReasonName(reason)));
    EXPECT_EQ(info->metadata().at("namespace"), "jobs");
    EXPECT_EQ(info->metadata().at("id"), "1");
    const grpc::Status status = ToGrpc(error);
    EXPECT_EQ(status.error_code(), code);
    EXPECT_EQ(status.error_message(), "why");
  }
}

TEST(ErrorOf, TaskThatIsNotReadyNamesWhatIsMissing) {
  domain::Outcome outcome = Refused(Reason::kTaskNotReady);
  outcome.missing = {"extract", "transform"};
  EXPECT_EQ(Find<google::rpc::ErrorInfo>(ErrorOf(outcome))->metadata().at("missing"),
            "extract,transform");
  // Also before the task itself is there.
  outcome.task.reset();
  EXPECT_EQ(Find<google::rpc::ErrorInfo>(ErrorOf(outcome))->metadata().at("missing"),
            "extract,transform");
}

TEST(ErrorOf, SaysByWhomATaskIsLockedAndUntilWhen) {
  domain::Outcome outcome = Refused(Reason::kTaskLocked);
  outcome.retry_after = absl::Seconds(90);
  const google::rpc::Status error = ErrorOf(outcome);
  const auto info = Find<google::rpc::ErrorInfo>(error);
  EXPECT_EQ(info->metadata().at("worker"), "host:1");
  EXPECT_EQ(info->metadata().at("lock_expire_time"), "2023-11-14T22:14:50Z");
  EXPECT_EQ(Find<google::rpc::RetryInfo>(error)->retry_delay().seconds(), 90);
}

TEST(ErrorOf, SaysHowALockWasLost) {
  const auto info = Find<google::rpc::ErrorInfo>(ErrorOf(Refused(Reason::kLockLost)));
  EXPECT_EQ(info->metadata().at("status"), "in_progress");
  EXPECT_EQ(info->metadata().at("worker"), "host:1");
  EXPECT_EQ(info->metadata().at("fence"), "7");
}

TEST(ErrorOf, ShowsTheTaskWithoutLockDataAndErrors) {
  const auto task = Find<v1::Task>(ErrorOf(Refused(Reason::kTaskLocked)));
  ASSERT_TRUE(task.has_value());
  EXPECT_EQ(task->fence(), 7);
  EXPECT_EQ(task->lock(), "");
  EXPECT_FALSE(task->has_data());
  EXPECT_EQ(task->errors_size(), 0);
}

// As it travels: base64.
size_t WireBytes(const google::rpc::Status& error) { return (error.ByteSizeLong() + 2) / 3 * 4; }

TEST(ErrorOf, FitsATrailerWithTheLongestNames) {
  domain::Outcome outcome = Refused(Reason::kTaskLocked);
  outcome.message = std::string(10'000, 'm');
  outcome.retry_after = absl::Seconds(1);
  outcome.task->key = {std::string(128, 'n'), std::string(512, 'i')};
  outcome.task->worker = std::string(256, 'w');
  const google::rpc::Status error = ErrorOf(outcome);
  EXPECT_LE(WireBytes(error), limits::kErrorDetailsBytes);
  EXPECT_EQ(error.details_size(), 3);
}

TEST(InvalidFields, FitsATrailerAndNamesAtMostSixteen) {
  std::vector<FieldError> few, many;
  for (int i = 0; i < 100; ++i) {
    few.push_back({absl::StrCat("f", i), "is wrong"});
    many.push_back({std::string(1000, 'f'), std::string(1000, 'd')});
  }
  EXPECT_EQ(Find<google::rpc::BadRequest>(InvalidFields(few))->field_violations_size(), 16);
  const google::rpc::Status error = InvalidFields(many);
  EXPECT_LE(WireBytes(error), limits::kErrorDetailsBytes);
  EXPECT_GT(Find<google::rpc::BadRequest>(error)->field_violations_size(), 4);
}

TEST(InvalidFields, SaysTheFirstInItsMessage) {
  EXPECT_EQ(InvalidFields({{"lock", "is required"}}).message(), "lock is required");
  EXPECT_EQ(InvalidFields({{"lock", "is required"}, {"id", "is required"}}).message(),
            "lock is required (and 1 more)");
}

TEST(ErrorOf, TellsReadsThatFailedApart) {
  EXPECT_EQ(ErrorOf(absl::UnavailableError("x")).code(), StatusCode::UNAVAILABLE);
  EXPECT_EQ(ErrorOf(absl::DataLossError("x")).code(), StatusCode::INTERNAL);
  const google::rpc::Status token = ErrorOf(absl::InvalidArgumentError("is bad"));
  EXPECT_EQ(Find<google::rpc::BadRequest>(token)->field_violations(0).field(), "page_token");
  const google::rpc::Status full = ErrorOf(absl::ResourceExhaustedError(""));
  EXPECT_EQ(Find<google::rpc::ErrorInfo>(full)->reason(), "OVERLOADED");
  EXPECT_TRUE(Find<google::rpc::RetryInfo>(full).has_value());
}

}  // namespace
}  // namespace tracker::server
