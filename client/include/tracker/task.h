// A task as the server tells it: plain values, safe to copy and to move between threads.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace tracker {

// Where a task stands. The numbers are those on the wire.
enum class TaskStatus {
  // A status that this version of the client does not know.
  kUnknown = 0,
  // Not started yet, released, or reset.
  kPending = 1,
  // A worker holds its lock.
  kInProgress = 10,
  // The last attempt went wrong; attempts are left.
  kFailed = 20,
  // The last attempt went wrong, and none is left.
  kExhausted = 30,
  // Done.
  kSucceeded = 40,
  // Taken out of the work by an operator.
  kIgnored = 50,
};

// All but kUnknown, in the order of a task's life.
inline constexpr TaskStatus kTaskStatuses[] = {TaskStatus::kPending,   TaskStatus::kInProgress,
                                               TaskStatus::kFailed,    TaskStatus::kExhausted,
                                               TaskStatus::kSucceeded, TaskStatus::kIgnored};

// "pending", "in_progress", ...
const char* TaskStatusName(TaskStatus status);
// The other way; none for a name that is no status.
std::optional<TaskStatus> TaskStatusFromName(const std::string& name);

// How an attempt went wrong.
enum class ErrorKind {
  kUnknown = 0,
  // The worker said so.
  kFailed = 1,
  // The lease ended with no word from the worker: it crashed, hung, or was cut off.
  kLeaseExpired = 2,
  // The task was given back, or taken from its worker by an operator or by ignore_lock.
  kReleased = 3,
};

// "failed", "lease_expired", "released", "unknown".
const char* ErrorKindName(ErrorKind kind);

// One attempt that went wrong.
struct TaskError {
  // Which attempt, from 1.
  int attempt = 0;
  int64_t fence = 0;
  // When it was recorded.
  absl::Time time;
  // Who held the lock.
  std::string worker;
  ErrorKind kind = ErrorKind::kUnknown;
  std::string message;
  // A stack trace or another long text; may be empty.
  std::string traceback;
};

// One unit of work. Times are on the database's clock.
struct Task {
  // `namespace` and `id` name the task.
  std::string name_space;
  std::string id;
  TaskStatus status = TaskStatus::kUnknown;
  // Starts since it was created, reset, or last succeeded.
  int attempts = 0;
  int max_attempts = 0;
  int priority = 0;
  // Grows by one at each start and never goes back. Hand it to other systems, so that they can
  // refuse a stale writer.
  int64_t fence = 0;
  absl::Time create_time;
  absl::Time update_time;
  // It cannot be started before this time.
  std::optional<absl::Time> available_time;
  // Who holds the lock, or held it last; empty before the first start.
  std::string worker;
  // When the lock was last taken.
  std::optional<absl::Time> lock_time;
  // When the lock ends without a heartbeat; set while in progress.
  std::optional<absl::Time> lock_expire_time;
  // What was left of the lease when the answer was made; set while in progress.
  std::optional<absl::Duration> lease_remaining;
  // The user's data: JSON text of an object; "{}" where none was ever set.
  std::string data = "{}";
  // The last 10 attempts that went wrong, oldest first.
  std::vector<TaskError> errors;
};

}  // namespace tracker
