// The words of the design as values: a task, its status, the attempts that went wrong. Plain data,
// no behaviour beyond naming; safe to copy and move between threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace tracker::domain {

// The numbers are the codes in the database.
enum class Status : int16_t {
  kPending = 0,
  kInProgress = 10,
  kFailed = 20,
  kExhausted = 30,
  kSucceeded = 40,
  kIgnored = 50,
};

inline constexpr Status kAllStatuses[] = {Status::kPending,   Status::kInProgress,
                                          Status::kFailed,    Status::kExhausted,
                                          Status::kSucceeded, Status::kIgnored};

// "pending", "in_progress", ...
absl::string_view StatusName(Status status);
// The other way; none for an unknown name.
std::optional<Status> StatusFromName(absl::string_view name);
// None for a code that the database should not hold.
std::optional<Status> StatusFromCode(int64_t code);

// How an attempt went wrong. The names are stored.
enum class ErrorKind { kFailed, kLeaseExpired, kReleased };

absl::string_view ErrorKindName(ErrorKind kind);
std::optional<ErrorKind> ErrorKindFromName(absl::string_view name);

struct TaskKey {
  std::string name_space;
  std::string id;

  friend bool operator==(const TaskKey&, const TaskKey&) = default;
  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 takes the comparison with 0 for one
  friend auto operator<=>(const TaskKey&, const TaskKey&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const TaskKey& key) {
    return H::combine(std::move(h), key.name_space, key.id);
  }
};

// One attempt that went wrong.
struct TaskError {
  int attempt = 0;
  int64_t fence = 0;
  absl::Time time;
  std::string worker;
  ErrorKind kind = ErrorKind::kFailed;
  std::string message;
  std::string traceback;

  friend bool operator==(const TaskError&, const TaskError&) = default;
};

// Invariants, kept by Apply (transition.h):
//  - in progress: a lock, and lock_time <= lock_expire_time.
//  - fence never falls; it grows by one at each start.
//  - alarm_time: set while in progress; set or not while pending or failed; else the Unix epoch.
//  - at most limits::kErrors errors, oldest first.
// Times are whole microseconds, which is what both databases hold.
struct Task {
  TaskKey key;
  Status status = Status::kPending;
  int attempts = 0;
  // The task's own number of attempts; 0: as the namespace's policy says.
  int max_attempts = 0;
  int priority = 0;
  int64_t fence = 0;
  absl::Time create_time;
  absl::Time update_time;
  absl::Time available_time;
  std::string worker;
  // While in progress: the holder's lock. Afterwards the token of whoever changed the task last, so
  // that a repeated request is recognised; it is no right to anything then. Never shown, but in the
  // answer to a start.
  std::string lock;
  // The locks before that one, oldest first, at most limits::kSpentLocks: each was the right to an
  // attempt that is over (or the token of an operator's command), and none may begin another.
  std::vector<std::string> spent_locks;
  // When the lock was last taken; kept when the attempt ends.
  absl::Time lock_time;
  // Set while in progress; the Unix epoch otherwise.
  absl::Time lock_expire_time;
  // What the last start or heartbeat asked for; a heartbeat that names no lease renews by this.
  absl::Duration lease;
  // When Tracker must look at the task by itself (Expire): while in progress never after
  // lock_expire_time (but before it where a heartbeat has renewed the lease, so that heartbeats
  // move nothing in an index); while a task waits for its available_time, that. The Unix epoch:
  // never.
  absl::Time alarm_time;
  // JSON text of an object; empty: never set.
  std::string data;
  std::vector<TaskError> errors;
  // The store has not read `data` and `errors`, which are empty here, as nobody needs them; they
  // are left alone when the task is written.
  bool documents_left_out = false;

  friend bool operator==(const Task&, const Task&) = default;
};

// Whether Claim may take the task now: it waits for a worker, and for nothing else.
bool Claimable(const Task& task);

// Whether the task has come to an end of its own: exhausted, succeeded or ignored.
bool Finished(Status status);

// The last attempt that went wrong and was not given back: what stands in the task's way. Null:
// none.
const TaskError* LastProblem(const Task& task);

// About how many bytes the task takes, for bounds on queues and answers.
size_t ByteSize(const Task& task);

}  // namespace tracker::domain
