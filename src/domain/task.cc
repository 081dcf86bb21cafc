#include "src/domain/task.h"

namespace tracker::domain {

absl::string_view StatusName(Status status) {
  switch (status) {
    case Status::kPending: return "pending";
    case Status::kInProgress: return "in_progress";
    case Status::kFailed: return "failed";
    case Status::kExhausted: return "exhausted";
    case Status::kSucceeded: return "succeeded";
    case Status::kIgnored: return "ignored";
  }
  return "unknown";
}

std::optional<Status> StatusFromName(absl::string_view name) {
  for (Status status : kAllStatuses) {
    if (StatusName(status) == name) return status;
  }
  return std::nullopt;
}

std::optional<Status> StatusFromCode(int64_t code) {
  for (Status status : kAllStatuses) {
    if (static_cast<int64_t>(status) == code) return status;
  }
  return std::nullopt;
}

absl::string_view ErrorKindName(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kFailed: return "failed";
    case ErrorKind::kLeaseExpired: return "lease_expired";
    case ErrorKind::kReleased: return "released";
  }
  return "unknown";
}

std::optional<ErrorKind> ErrorKindFromName(absl::string_view name) {
  for (ErrorKind kind : {ErrorKind::kFailed, ErrorKind::kLeaseExpired, ErrorKind::kReleased}) {
    if (ErrorKindName(kind) == name) return kind;
  }
  return std::nullopt;
}

bool Claimable(const Task& task) {
  return (task.status == Status::kPending || task.status == Status::kFailed) &&
         task.alarm_time == absl::UnixEpoch();
}

bool Finished(Status status) {
  return status == Status::kExhausted || status == Status::kSucceeded || status == Status::kIgnored;
}

const TaskError* LastProblem(const Task& task) {
  for (auto error = task.errors.rbegin(); error != task.errors.rend(); ++error) {
    if (error->kind != ErrorKind::kReleased) return &*error;
  }
  return nullptr;
}

size_t ByteSize(const Task& task) {
  // What the numbers and times of a task and of an error take on the wire, rounded up.
  constexpr size_t kTaskFixed = 160;
  constexpr size_t kErrorFixed = 48;
  size_t size = kTaskFixed + task.key.name_space.size() + task.key.id.size() + task.worker.size() +
                task.data.size();
  for (const TaskError& error : task.errors) {
    size += kErrorFixed + error.worker.size() + error.message.size() + error.traceback.size();
  }
  return size;
}

}  // namespace tracker::domain
