// What can be asked of one task, as values, and what became of it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "src/domain/policy.h"
#include "src/domain/task.h"

namespace tracker::domain {

struct Create {
  std::string data;
  int priority = 0;
  // None: at once.
  std::optional<absl::Time> available_time;
  // 0: as the policy says.
  int max_attempts = 0;
  bool allow_existing = false;
};
struct Start {
  std::string worker;
  // None: as the policy says.
  std::optional<absl::Duration> lease;
  bool ignore_lock = false;
  bool force = false;
  bool create_if_missing = false;
  // The namespaces in which the task of the same id must have succeeded first.
  std::vector<std::string> after;
};
struct Heartbeat {
  std::optional<absl::Duration> lease;
  std::optional<std::string> data;
};
struct Succeed {
  std::optional<std::string> data;
};
struct Fail {
  std::string message;
  std::string traceback;
  bool no_retry = false;
  // None: the policy's backoff.
  std::optional<absl::Duration> retry_delay;
  // Set only when it is to be kept.
  std::optional<std::string> data;
};
struct Release {
  absl::Duration delay = absl::ZeroDuration();
  // From the server: the answer of a claim, which left the task with this update_time, reached
  // nobody. Whoever has got the task since by a repeated claim, or has renewed its lease, keeps it.
  std::optional<absl::Time> undelivered;
};
// `as_of`: only if the task still has this update_time, else kTaskChanged. Of a bulk update, which
// chose the task by what it was then.
struct Ignore {
  std::optional<absl::Time> as_of;
};
struct Reset {
  bool force = false;
  std::optional<absl::Time> as_of;
};
struct Delete {
  bool force = false;
  std::optional<absl::Time> as_of;
};
// From the reaper: ends what is over, be it a lease or the wait for available_time, and does
// nothing otherwise.
struct Expire {};
// From the purge: removes a task that is finished and has not changed since `before`, and does
// nothing otherwise.
struct Purge {
  absl::Time before;
};

using Action = std::variant<Create, Start, Heartbeat, Succeed, Fail, Release, Ignore, Reset, Delete,
                            Expire, Purge>;

struct Command {
  TaskKey key;
  // Heartbeat, Succeed, Fail, Release: the lock that is to be held. All others: a new token, which
  // makes the command recognisable when it is applied again after a commit whose outcome is
  // unknown; for Start it becomes the lock.
  std::string token;
  Action action;
  // None: the defaults.
  std::shared_ptr<const Policy> policy;
  // In [0, 1): chosen by whoever makes the command, so that Apply stays a pure function.
  double random = 0;
  // False: the outcome's task may come without its data and errors where these are large
  // (Outcome::truncated).
  bool wants_documents = true;
};

// Whether Apply looks at the task's errors to decide, or adds to them. No command's decision
// depends on the data.
bool NeedsErrors(const Action& action);

// As a store takes them; they must outlive it.
std::vector<const Command*> PointersTo(const std::vector<Command>& commands);

// "start", "succeed", ...
absl::string_view ActionName(const Action& action);

// About how many bytes the command takes, for bounds on queues.
size_t ByteSize(const Command& command);

enum class Reason {
  kOk,
  kTaskNotFound,
  kTaskExists,
  kTaskLocked,
  kLockLost,
  kTaskNotAvailable,
  kNamespacePaused,
  kTaskExhausted,
  kTaskSucceeded,
  kTaskIgnored,
  // The task of the same id has not succeeded yet where it must have (Start::after).
  kTaskNotReady,
  // The task is not any more as it was when it was chosen (as_of).
  kTaskChanged,
  // The database cannot be reached, or its answer is unknown; safe to repeat as it is.
  kStoreUnavailable,
  // Not tried. Another transaction holds the task's row just now; or the tasks' documents were too
  // much for one transaction, and the next one has room. For whoever asked not to wait
  // (store::ApplyOptions); no caller of the service sees them.
  kHeld,
  kDeferred,
  // The database refused this command for a reason of its own; a defect, or a row that it cannot
  // hold.
  kInternal,
  // Turned away before it cost anything.
  kOverloaded,
  kDeadlineExceeded,
  kCancelled,
};

// "TASK_LOCKED", ... as in google.rpc.ErrorInfo.
absl::string_view ReasonName(Reason reason);

// Whether the same command may be taken a moment later: the store was away, or too much was queued.
bool MayPass(Reason reason);

// What became of a command.
struct Outcome {
  Reason reason = Reason::kOk;
  // Why it was refused, for people.
  std::string message;
  // Done: the task afterwards (a deleted one as it was). Refused: the task as it stands, where
  // there is one. Its lock is empty, but in the answer to a start that was not refused.
  std::optional<Task> task;
  // The task has lost its data and errors, for want of room in the answer (service::WriteCall).
  bool truncated = false;
  // The database's time at which this was so.
  absl::Time now;
  // When it is worth asking again.
  std::optional<absl::Duration> retry_after;
  // With kTaskNotReady: the namespaces in which the task must still succeed.
  std::vector<std::string> missing;

  bool ok() const { return reason == Reason::kOk; }
};

}  // namespace tracker::domain
