#include "client/src/convert.h"

#include "client/src/text.h"

namespace tracker {

namespace {

constexpr struct {
  TaskStatus status;
  const char* name;
} kStatusNames[] = {
    {TaskStatus::kPending, "pending"},     {TaskStatus::kInProgress, "in_progress"},
    {TaskStatus::kFailed, "failed"},       {TaskStatus::kExhausted, "exhausted"},
    {TaskStatus::kSucceeded, "succeeded"}, {TaskStatus::kIgnored, "ignored"},
};

}  // namespace

const char* TaskStatusName(TaskStatus status) {
  for (const auto& entry : kStatusNames) {
    if (entry.status == status) return entry.name;
  }
  return "unknown";
}

std::optional<TaskStatus> TaskStatusFromName(const std::string& name) {
  for (const auto& entry : kStatusNames) {
    if (entry.name == name) return entry.status;
  }
  return std::nullopt;
}

const char* ErrorKindName(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kUnknown: return "unknown";
    case ErrorKind::kFailed: return "failed";
    case ErrorKind::kLeaseExpired: return "lease_expired";
    case ErrorKind::kReleased: return "released";
  }
  return "unknown";
}

namespace internal {
namespace {

TaskError ErrorFromProto(const v1::TaskError& in) {
  TaskError error;
  error.attempt = in.attempt();
  error.fence = in.fence();
  error.time = FromProto(in.time());
  error.worker = in.worker();
  error.kind = in.kind() >= v1::ERROR_KIND_FAILED && in.kind() <= v1::ERROR_KIND_RELEASED
                   ? static_cast<ErrorKind>(in.kind())
                   : ErrorKind::kUnknown;
  error.message = in.message();
  error.traceback = in.traceback();
  return error;
}

}  // namespace

TaskStatus StatusFromProto(v1::Status in) {
  for (const auto& entry : kStatusNames) {
    if (static_cast<int>(entry.status) == static_cast<int>(in)) return entry.status;
  }
  return TaskStatus::kUnknown;
}

Task FromProto(const v1::Task& in) {
  Task task;
  task.name_space = in.namespace_();
  task.id = in.id();
  task.status = StatusFromProto(in.status());
  task.attempts = in.attempts();
  task.max_attempts = in.max_attempts();
  task.priority = in.priority();
  task.fence = in.fence();
  task.create_time = FromProto(in.create_time());
  task.update_time = FromProto(in.update_time());
  if (in.has_available_time()) task.available_time = FromProto(in.available_time());
  task.worker = in.worker();
  if (in.has_lock_time()) task.lock_time = FromProto(in.lock_time());
  if (in.has_lock_expire_time()) task.lock_expire_time = FromProto(in.lock_expire_time());
  if (in.has_lease_remaining()) task.lease_remaining = FromProto(in.lease_remaining());
  if (in.has_data()) task.data = StructToJson(in.data());
  for (const v1::TaskError& error : in.errors()) task.errors.push_back(ErrorFromProto(error));
  return task;
}

absl::Duration FromProto(const google::protobuf::Duration& in) {
  return absl::Seconds(in.seconds()) + absl::Nanoseconds(in.nanos());
}

absl::Time FromProto(const google::protobuf::Timestamp& in) {
  return absl::FromUnixSeconds(in.seconds()) + absl::Nanoseconds(in.nanos());
}

void ToProto(absl::Duration duration, google::protobuf::Duration* out) {
  absl::Duration rest;
  // Infinite and absurd ones saturate, and are then refused by the server with their field's name.
  out->set_seconds(absl::IDivDuration(duration, absl::Seconds(1), &rest));
  const bool finite = rest != absl::InfiniteDuration() && rest != -absl::InfiniteDuration();
  out->set_nanos(finite ? static_cast<int32_t>(absl::ToInt64Nanoseconds(rest)) : 0);
}

void ToProto(absl::Time time, google::protobuf::Timestamp* out) {
  const int64_t seconds = absl::ToUnixSeconds(time);  // rounds down, also before 1970
  out->set_seconds(seconds);
  const absl::Duration rest = time - absl::FromUnixSeconds(seconds);
  const bool finite = time != absl::InfiniteFuture() && time != absl::InfinitePast();
  out->set_nanos(finite ? static_cast<int32_t>(absl::ToInt64Nanoseconds(rest)) : 0);
}

v1::ListRequest ToProto(const ListOptions& options) {
  v1::ListRequest request;
  request.set_namespace_(options.name_space);
  for (TaskStatus status : options.statuses)
    request.add_statuses(static_cast<v1::Status>(static_cast<int>(status)));
  request.set_id_prefix(options.id_prefix);
  request.set_worker(options.worker);
  request.set_order(static_cast<v1::Order>(static_cast<int>(options.order)));
  request.set_page_size(options.page_size);
  request.set_page_token(options.page_token);
  request.set_error_text(options.error_text);
  request.set_error_fingerprint(options.error_fingerprint);
  return request;
}

absl::Status FillFail(const std::string& message, const FailOptions& options,
                      v1::FailRequest* out) {
  out->set_message(ScrubReport(message));
  out->set_traceback(ScrubReport(options.traceback));
  out->set_no_retry(options.no_retry);
  if (options.retry_delay) ToProto(*options.retry_delay, out->mutable_retry_delay());
  if (!options.data) return absl::OkStatus();
  out->set_keep_data(true);
  return JsonToStruct(*options.data, out->mutable_data());
}

}  // namespace internal
}  // namespace tracker
