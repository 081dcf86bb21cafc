#include "client/src/status_details.h"

#include <utility>

#include "absl/strings/cord.h"
#include "client/src/convert.h"
#include "client/src/text.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "tracker/errors.h"
#include "tracker/v1/tracker.pb.h"

namespace tracker {
namespace {

constexpr char kDetails[] = "type.googleapis.com/google.rpc.Status";
constexpr char kReportMark[] = "tracker.report";
constexpr char kDomain[] = "tracker";

constexpr std::pair<Reason, const char*> kReasons[] = {
    {Reason::kNone, "NONE"},
    {Reason::kTaskNotFound, "TASK_NOT_FOUND"},
    {Reason::kTaskExists, "TASK_EXISTS"},
    {Reason::kTaskLocked, "TASK_LOCKED"},
    {Reason::kLockLost, "LOCK_LOST"},
    {Reason::kTaskNotAvailable, "TASK_NOT_AVAILABLE"},
    {Reason::kNamespacePaused, "NAMESPACE_PAUSED"},
    {Reason::kTaskExhausted, "TASK_EXHAUSTED"},
    {Reason::kTaskSucceeded, "TASK_SUCCEEDED"},
    {Reason::kTaskIgnored, "TASK_IGNORED"},
    {Reason::kInvalidArgument, "INVALID_ARGUMENT"},
    {Reason::kOverloaded, "OVERLOADED"},
    {Reason::kStoreUnavailable, "STORE_UNAVAILABLE"},
    {Reason::kUnauthenticated, "UNAUTHENTICATED"},
    {Reason::kPermissionDenied, "PERMISSION_DENIED"},
};

// The first detail of this type, where there is one.
template <typename Detail>
std::optional<Detail> DetailOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kDetails);
  if (!payload) return std::nullopt;
  google::rpc::Status rpc;
  if (!rpc.ParseFromString(std::string(*payload))) return std::nullopt;
  for (const google::protobuf::Any& any : rpc.details()) {
    Detail detail;
    if (any.Is<Detail>() && any.UnpackTo(&detail)) return detail;
  }
  return std::nullopt;
}

}  // namespace

const char* ReasonName(Reason reason) {
  for (const auto& [value, name] : kReasons) {
    if (value == reason) return name;
  }
  return "UNKNOWN";
}

Reason ReasonOf(const absl::Status& status) {
  const auto info = DetailOf<google::rpc::ErrorInfo>(status);
  if (!info || info->domain() != kDomain) return Reason::kNone;
  for (const auto& [value, name] : kReasons) {
    if (info->reason() == name) return value;
  }
  return Reason::kUnknown;
}

std::optional<Task> TaskOf(const absl::Status& status) {
  const auto task = DetailOf<v1::Task>(status);
  if (!task) return std::nullopt;
  return internal::FromProto(*task);
}

std::optional<absl::Duration> RetryAfterOf(const absl::Status& status) {
  const auto retry = DetailOf<google::rpc::RetryInfo>(status);
  if (!retry || !retry->has_retry_delay()) return std::nullopt;
  return internal::FromProto(retry->retry_delay());
}

bool ReportFailed(const absl::Status& status) { return status.GetPayload(kReportMark).has_value(); }

namespace internal {

absl::Status MakeStatus(int code, const std::string& message, const std::string& details) {
  absl::Status status(static_cast<absl::StatusCode>(code), message);
  if (!details.empty()) status.SetPayload(kDetails, absl::Cord(details));
  return status;
}

absl::Status InvalidArgument(const std::string& text) {
  const std::string message = ScrubReport(text);
  google::rpc::ErrorInfo info;
  info.set_reason(ReasonName(Reason::kInvalidArgument));
  info.set_domain(kDomain);
  google::rpc::Status rpc;
  rpc.set_code(static_cast<int>(absl::StatusCode::kInvalidArgument));
  rpc.set_message(message);
  rpc.add_details()->PackFrom(info);
  return MakeStatus(rpc.code(), message, rpc.SerializeAsString());
}

absl::Status AsReportError(absl::Status status) {
  if (!status.ok()) status.SetPayload(kReportMark, absl::Cord());
  return status;
}

}  // namespace internal
}  // namespace tracker
