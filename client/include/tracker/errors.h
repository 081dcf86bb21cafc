// What an absl::Status from Tracker says beyond its code and message. Pure functions, thread-safe;
// for a status that is not Tracker's they answer kNone, none, none and false.
#pragma once

#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "tracker/task.h"

namespace tracker {

// Why a call was refused.
enum class Reason {
  // Not a refusal of Tracker: OK, the server cannot be reached, or a status from elsewhere.
  kNone,
  // A refusal that this version of the client does not know.
  kUnknown,
  kTaskNotFound,
  kTaskExists,
  // Another worker holds the lock: TaskOf says who, RetryAfterOf for how much longer.
  kTaskLocked,
  // The caller's lock is no longer the task's.
  kLockLost,
  // Not to be started yet: a retry's or a release's delay, or the task's available_time.
  kTaskNotAvailable,
  kNamespacePaused,
  // No attempts are left; `force` or Reset starts it all the same.
  kTaskExhausted,
  kTaskSucceeded,
  kTaskIgnored,
  // The request is wrong; the message names each field.
  kInvalidArgument,
  // Turned away before it cost anything; RetryAfterOf says when to come back.
  kOverloaded,
  // The server has no database at the moment.
  kStoreUnavailable,
  kUnauthenticated,
  kPermissionDenied,
};

// "TASK_LOCKED", ...; "NONE" and "UNKNOWN" for the first two.
const char* ReasonName(Reason reason);

Reason ReasonOf(const absl::Status& status);

// The task as it stands, where the refusal told; without data and errors.
std::optional<Task> TaskOf(const absl::Status& status);

// When it is worth asking again, where the refusal told.
std::optional<absl::Duration> RetryAfterOf(const absl::Status& status);

// Whether this is the error of a report (TaskGuard's closing calls, also from within Client::Run):
// the work itself ended, but the server did not take its report, or never answered.
bool ReportFailed(const absl::Status& status);

}  // namespace tracker
