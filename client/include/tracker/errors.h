// What an absl::Status from Tracker says beyond its code and message. Pure functions, thread-safe;
// for a status that is not Tracker's they answer kNone, none, none and false.
#pragma once

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <string>

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
  // Nothing of this namespace is started; the message says why.
  kNamespacePaused,
  // No attempts are left; `force` or Reset starts it all the same.
  kTaskExhausted,
  kTaskSucceeded,
  kTaskIgnored,
  // An earlier step has not succeeded yet (StartOptions::after); the message names it.
  kTaskNotReady,
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

// How work failed, for what a function given to Client::Run or Worker returns or throws.
//
// Trying again is of no use: the task is exhausted at once, whatever attempts are left.
//   return tracker::NonRetryable(absl::InvalidArgumentError("no such customer"));
// The same status, marked; an OK one stays as it is.
absl::Status NonRetryable(absl::Status status);
// The task is not to be started again before `delay` from now (a negative one counts as none),
// whatever the namespace's backoff says; marked as above.
//   return tracker::RetryAfter(absl::Minutes(10), absl::UnavailableError("the bank is closed"));
absl::Status RetryAfter(absl::Duration delay, absl::Status status);

// Whether the status was made by NonRetryable.
bool IsNonRetryable(const absl::Status& status);
// The delay that RetryAfter was given.
std::optional<absl::Duration> RetryDelayOf(const absl::Status& status);

// The same to be thrown. Also found where it is nested in what is thrown (std::throw_with_nested).
class NonRetryableError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};
class RetryAfterError : public std::runtime_error {
 public:
  RetryAfterError(absl::Duration delay, const std::string& what)
      : std::runtime_error(what), delay_(std::max(delay, absl::ZeroDuration())) {}
  absl::Duration delay() const { return delay_; }

 private:
  absl::Duration delay_;
};

// An exception that knows where it was thrown. Client::Run and Worker record what it says as the
// attempt's traceback; Tracker takes no stack itself. To be derived from besides std::exception, by
// a type that keeps in its constructor what the platform offers: boost::stacktrace,
// std::stacktrace, backtrace(3). Also found where it is nested in what is thrown.
class CarriesTraceback {
 public:
  virtual ~CarriesTraceback() = default;
  // Any text will do; the server keeps its last 32 KiB. Where this throws, there is none.
  virtual std::string traceback() const = 0;
};

}  // namespace tracker
