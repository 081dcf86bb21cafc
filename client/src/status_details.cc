#include "client/src/status_details.h"

#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "client/src/convert.h"
#include "client/src/text.h"
#include "client/wire/error_details.pb.h"
#include "client/wire/status.pb.h"
#include "client/wire/tracker.pb.h"
#include "tracker/errors.h"

namespace tracker {
namespace {

namespace rpc = internal::rpc;

constexpr char kDetails[] = "type.googleapis.com/google.rpc.Status";
constexpr char kReportMark[] = "tracker.report";
constexpr char kDomain[] = "tracker";
constexpr char kTypePrefix[] = "type.googleapis.com/";

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
    {Reason::kTaskNotReady, "TASK_NOT_READY"},
    {Reason::kInvalidArgument, "INVALID_ARGUMENT"},
    {Reason::kOverloaded, "OVERLOADED"},
    {Reason::kStoreUnavailable, "STORE_UNAVAILABLE"},
    {Reason::kUnauthenticated, "UNAUTHENTICATED"},
    {Reason::kPermissionDenied, "PERMISSION_DENIED"},
};

// What a message of the client/wire copies is called on the wire.
std::string WireName(std::string name) {
  absl::StrReplaceAll(
      {{"tracker.internal.rpc.", "google.rpc."}, {"tracker.internal.v1.", "tracker.v1."}}, &name);
  return name;
}

// The first detail of this type, where there is one.
template <typename Detail>
std::optional<Detail> DetailOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kDetails);
  if (!payload) return std::nullopt;
  rpc::Status answer;
  if (!answer.ParseFromString(std::string(*payload))) return std::nullopt;
  Detail detail;
  const std::string name = "/" + WireName(std::string(detail.GetTypeName()));
  for (const google::protobuf::Any& any : answer.details()) {
    if (absl::EndsWith(any.type_url(), name) && detail.ParseFromString(any.value())) return detail;
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
  const auto info = DetailOf<rpc::ErrorInfo>(status);
  if (!info || info->domain() != kDomain) return Reason::kNone;
  for (const auto& [value, name] : kReasons) {
    if (info->reason() == name) return value;
  }
  return Reason::kUnknown;
}

std::optional<Task> TaskOf(const absl::Status& status) {
  const auto task = DetailOf<internal::v1::Task>(status);
  if (!task) return std::nullopt;
  return internal::FromProto(*task);
}

std::optional<absl::Duration> RetryAfterOf(const absl::Status& status) {
  const auto retry = DetailOf<rpc::RetryInfo>(status);
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

void AddDetail(const google::protobuf::MessageLite& detail, rpc::Status* out) {
  google::protobuf::Any* any = out->add_details();
  any->set_type_url(kTypePrefix + WireName(std::string(detail.GetTypeName())));
  any->set_value(detail.SerializeAsString());
}

absl::Status InvalidArgument(const std::string& text) {
  const std::string message = ScrubReport(text);
  rpc::ErrorInfo info;
  info.set_reason(ReasonName(Reason::kInvalidArgument));
  info.set_domain(kDomain);
  rpc::Status answer;
  answer.set_code(static_cast<int>(absl::StatusCode::kInvalidArgument));
  answer.set_message(message);
  AddDetail(info, &answer);
  return MakeStatus(answer.code(), message, answer.SerializeAsString());
}

absl::Status AsReportError(absl::Status status) {
  if (!status.ok()) status.SetPayload(kReportMark, absl::Cord());
  return status;
}

}  // namespace internal
}  // namespace tracker
