#include "server/errors.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "google/rpc/error_details.pb.h"
#include "server/encode.h"
#include "server/wire_time.h"
#include "src/base/limits.h"
#include "src/domain/validation.h"

namespace tracker::server {
namespace {

using domain::Outcome;
using domain::Reason;

// Binary trailers travel as base64, four bytes for three.
constexpr size_t kDetailsBytes = limits::kErrorDetailsBytes / 4 * 3;
// What packing a detail adds: its type URL, tags and lengths.
constexpr size_t kPackingBytes = 64;

grpc::StatusCode CodeOf(Reason reason) {
  switch (reason) {
    case Reason::kOk: return grpc::StatusCode::OK;
    case Reason::kTaskNotFound: return grpc::StatusCode::NOT_FOUND;
    case Reason::kTaskExists: return grpc::StatusCode::ALREADY_EXISTS;
    case Reason::kTaskLocked:
    case Reason::kLockLost: return grpc::StatusCode::ABORTED;
    case Reason::kTaskNotAvailable:
    case Reason::kNamespacePaused:
    case Reason::kTaskExhausted:
    case Reason::kTaskSucceeded:
    case Reason::kTaskIgnored:
    case Reason::kTaskNotReady:
    case Reason::kTaskChanged: return grpc::StatusCode::FAILED_PRECONDITION;
    case Reason::kStoreUnavailable:
    case Reason::kHeld:
    case Reason::kDeferred: return grpc::StatusCode::UNAVAILABLE;
    case Reason::kInternal: return grpc::StatusCode::INTERNAL;
    case Reason::kOverloaded: return grpc::StatusCode::RESOURCE_EXHAUSTED;
    case Reason::kDeadlineExceeded: return grpc::StatusCode::DEADLINE_EXCEEDED;
    case Reason::kCancelled: return grpc::StatusCode::CANCELLED;
  }
  return grpc::StatusCode::INTERNAL;
}

// For a service that turned a call away without a word.
absl::string_view DefaultMessage(Reason reason) {
  switch (reason) {
    case Reason::kStoreUnavailable: return "the store cannot be reached; the call may be repeated";
    case Reason::kOverloaded: return "too many calls are waiting; repeat the call later";
    case Reason::kDeadlineExceeded: return "the deadline passed while the call waited";
    case Reason::kCancelled: return "the call was cancelled";
    default: return domain::ReasonName(reason);
  }
}

google::rpc::Status MakeError(grpc::StatusCode code, absl::string_view message) {
  google::rpc::Status error;
  error.set_code(code);
  error.set_message(domain::ForErrorText(message));
  return error;
}

google::rpc::ErrorInfo MakeInfo(absl::string_view reason) {
  google::rpc::ErrorInfo info;
  info.set_domain(kErrorDomain);
  info.set_reason(std::string(reason));
  return info;
}

std::string Rfc3339(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d%ET%H:%M:%E*SZ", time, absl::UTCTimeZone());
}

google::rpc::ErrorInfo InfoOf(const Outcome& outcome) {
  google::rpc::ErrorInfo info = MakeInfo(domain::ReasonName(outcome.reason));
  auto& metadata = *info.mutable_metadata();
  if (outcome.reason == Reason::kTaskNotReady)
    metadata["missing"] = absl::StrJoin(outcome.missing, ",");
  if (!outcome.task) return info;
  const domain::Task& task = *outcome.task;
  metadata["namespace"] = task.key.name_space;
  metadata["id"] = task.key.id;
  if (outcome.reason == Reason::kTaskLocked) {
    metadata["worker"] = task.worker;
    metadata["lock_expire_time"] = Rfc3339(task.lock_expire_time);
  } else if (outcome.reason == Reason::kLockLost) {
    metadata["status"] = std::string(domain::StatusName(task.status));
    metadata["worker"] = task.worker;
    metadata["fence"] = absl::StrCat(task.fence);
  }
  return info;
}

void AddRetryInfo(absl::Duration delay, google::rpc::Status* error) {
  google::rpc::RetryInfo retry;
  ToProto(std::max(delay, absl::ZeroDuration()), retry.mutable_retry_delay());
  error->add_details()->PackFrom(retry);
}

// The least important details come last, and go first.
void CutToFit(google::rpc::Status* error) {
  while (error->ByteSizeLong() > kDetailsBytes && error->details_size() > 0)
    error->mutable_details()->RemoveLast();
}

google::rpc::Status Refusal(grpc::StatusCode code, absl::string_view reason,
                            absl::string_view message) {
  google::rpc::Status error = MakeError(code, message);
  error.add_details()->PackFrom(MakeInfo(reason));
  return error;
}

}  // namespace

google::rpc::Status ErrorOf(const Outcome& outcome) {
  google::rpc::Status error = MakeError(
      CodeOf(outcome.reason), outcome.message.empty() ? DefaultMessage(outcome.reason)
                                                      : absl::string_view(outcome.message));
  error.add_details()->PackFrom(InfoOf(outcome));
  if (outcome.retry_after) AddRetryInfo(*outcome.retry_after, &error);
  if (outcome.task) {
    v1::Task task;
    EncodeTask(*outcome.task, outcome.now, &task);
    task.clear_lock();
    error.add_details()->PackFrom(task);
  }
  CutToFit(&error);
  return error;
}

google::rpc::Status InvalidFields(const std::vector<FieldError>& errors) {
  const FieldError& first = errors.front();
  google::rpc::Status error = MakeError(
      grpc::StatusCode::INVALID_ARGUMENT,
      absl::StrCat(first.field, " ", first.description,
                   errors.size() > 1 ? absl::StrCat(" (and ", errors.size() - 1, " more)") : ""));
  error.add_details()->PackFrom(MakeInfo("INVALID_ARGUMENT"));
  google::rpc::BadRequest bad;
  for (const FieldError& wrong : errors) {
    if (bad.field_violations_size() == limits::kFieldViolations) break;
    auto* violation = bad.add_field_violations();
    violation->set_field(domain::ForErrorText(wrong.field));
    violation->set_description(domain::ForErrorText(wrong.description));
    if (bad.ByteSizeLong() + error.ByteSizeLong() + kPackingBytes > kDetailsBytes) {
      bad.mutable_field_violations()->RemoveLast();
      break;
    }
  }
  error.add_details()->PackFrom(bad);
  return error;
}

google::rpc::Status Malformed(absl::string_view message_name) {
  return Refusal(grpc::StatusCode::INVALID_ARGUMENT, "INVALID_ARGUMENT",
                 absl::StrCat("the request is not a well-formed ", message_name));
}

google::rpc::Status ErrorOf(const absl::Status& status) {
  const auto with_reason = [&](Reason reason) {
    google::rpc::Status error =
        Refusal(CodeOf(reason), domain::ReasonName(reason),
                status.message().empty() ? DefaultMessage(reason) : status.message());
    // A reader's queue empties in about this time.
    if (reason == Reason::kOverloaded) AddRetryInfo(absl::Milliseconds(100), &error);
    return error;
  };
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
      return InvalidFields({{"page_token", std::string(status.message())}});
    case absl::StatusCode::kUnavailable: return with_reason(Reason::kStoreUnavailable);
    case absl::StatusCode::kResourceExhausted: return with_reason(Reason::kOverloaded);
    case absl::StatusCode::kDeadlineExceeded: return with_reason(Reason::kDeadlineExceeded);
    case absl::StatusCode::kCancelled: return with_reason(Reason::kCancelled);
    default: return with_reason(Reason::kInternal);
  }
}

google::rpc::Status AnswerTooLarge() {
  return Refusal(grpc::StatusCode::RESOURCE_EXHAUSTED, "ANSWER_TOO_LARGE",
                 "the answer would pass 4 MiB; ask for less at once");
}

google::rpc::Status WithoutExtras(const google::rpc::Status& error) {
  google::rpc::Status bare = error;
  while (bare.details_size() > 1) bare.mutable_details()->RemoveLast();
  return bare;
}

grpc::Status ToGrpc(const google::rpc::Status& error) {
  return {static_cast<grpc::StatusCode>(error.code()), error.message(), error.SerializeAsString()};
}

}  // namespace tracker::server
