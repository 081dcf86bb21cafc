// The right to work on a task, as an object: who holds the guard holds the task's lock.
//
// While the guard lives, its lease is renewed in the background. It ends with exactly one of the
// closing calls, which consume it: Succeed, Fail, Release, Detach. A guard that leaves its scope
// without one fails its task, so that no way out of a function, a return or an exception, leaves a
// task hanging until its lease is over.
//
// Thread safety: one thread at a time, except stop_token(), held() and lost(), which any thread may
// call while the guard lives. A stop_token and its callbacks may outlive the guard.
//
// Invariants
//  - At most one report is made. It is repeated, with the same lock, while it gets no answer and
//    the lease lasts; a repeat acts only once.
//  - After Succeed was called, the guard never reports a failure.
//  - The destructor does not throw.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <type_traits>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "tracker/task.h"

namespace tracker {

namespace internal {
class GuardState;
}  // namespace internal

struct FailOptions {
  // A stack trace or another long text; the server keeps its last 32 KiB.
  std::string traceback;
  // Trying again is of no use: the task is exhausted at once.
  bool no_retry = false;
  // Not to be started again before this long from now. None: the namespace's backoff.
  std::optional<absl::Duration> retry_delay;
  // Replaces the task's data: JSON text of an object. None: the task keeps the data it has.
  std::optional<std::string> data;
};

class TaskGuard {
 public:
  TaskGuard(TaskGuard&& other) noexcept;
  // Fails the task that this guard held, as the destructor does.
  TaskGuard& operator=(TaskGuard&& other) noexcept;
  TaskGuard(const TaskGuard&) = delete;
  TaskGuard& operator=(const TaskGuard&) = delete;
  // Fails the task where no closing call was made, and says whether the guard was left by an
  // exception. It does not say by which, nor heed NonRetryableError and RetryAfterError: for that,
  // work in Client::Run, or catch, and call Fail. May wait for the server as long as
  // ClientOptions::deadline, but not beyond the lease.
  ~TaskGuard();

  // The task as it was started; its data follows SetData and Checkpoint. The values stay readable
  // after a closing call; a guard that was moved from has an empty task.
  const Task& task() const;
  // The task's data, JSON text of an object.
  const std::string& data() const { return task().data; }
  // Hand it to other systems, so that they can refuse a writer whose lock is lost.
  int64_t fence() const { return task().fence; }
  // The lock: a secret. Who has it can finish the attempt.
  const std::string& lock() const;

  // Stops when the lock is lost, or may be: the server said so; or the lease, counted on this
  // machine's clock from before the request was sent, comes to its end without an answer; or the
  // attempt has reached its time limit. The work should then end without further effects; its
  // report will most likely be refused. Callbacks on the token run on the client's heartbeat thread
  // and must not block it.
  std::stop_token stop_token() const;
  // Whether the lock is held for certain, by the clock at this moment: unlike the token it is right
  // also at once after the process was stopped or the machine slept.
  bool held() const;
  // Why the token has stopped: LOCK_LOST or TASK_NOT_FOUND, as the server said it; DeadlineExceeded
  // for a lease or a time limit that came to its end. OK where it has not.
  absl::Status lost() const;
  // Calls `callback` once when the token stops: at once where it has. It runs on the client's
  // heartbeat thread, or on the one whose call found out; it must not block, throw, or use the
  // guard. It does not run any more once a closing call has ended the guard or the guard is gone,
  // which wait for one that is running. Replaces the callback before.
  void OnLost(std::function<void(const absl::Status& why)> callback);

  // Replaces the task's data (JSON text of an object) here; Succeed and Checkpoint save it, and the
  // server refuses them where it has more than 256 KiB. A failed or released attempt leaves the
  // data that was saved before. InvalidArgument: it is no JSON object; nothing was changed.
  absl::Status SetData(const std::string& json);
  // Saves the data mid-way, so that the next attempt finds it should this one fail, and renews the
  // lease. OK: it is saved, for good. Idempotent; repeated while Unavailable, as long as
  // ClientOptions::deadline. LOCK_LOST: the token is stopped.
  absl::Status Checkpoint();
  // SetData, then Checkpoint.
  absl::Status Checkpoint(const std::string& json);
  // Renews the lease now; the background does it anyway.
  absl::Status Heartbeat();

  // The closing calls. OK: recorded, for good. Otherwise ReportFailed(status) is true:
  //  - LOCK_LOST: another worker has the task, or an operator ended it; nothing was changed.
  //  - Unavailable or DeadlineExceeded: no answer until the lease was over; what became of the
  //    report is not known.
  //  - InvalidArgument: the data is no JSON object or too large. Nothing was sent or changed, and
  //    the guard is still open: close it otherwise.
  // A guard that was closed or moved from answers FailedPrecondition.

  // The work is done. `data`, JSON text of an object, replaces the task's data; none: what SetData
  // has set and no Checkpoint has saved does.
  absl::Status Succeed(std::optional<std::string> data = std::nullopt) &&;
  // The work went wrong. Any text will do: bytes that are not UTF-8 are replaced, and the server
  // keeps its last 4 KiB.
  absl::Status Fail(std::string message, const FailOptions& options = {}) &&;
  // Gives the task back, without costing it the attempt, for others to start after `delay`.
  absl::Status Release(absl::Duration delay = absl::ZeroDuration()) &&;
  // Ends the guard but not the attempt: no more heartbeats, no report. Answers the lock; whoever
  // has it must finish the attempt before the lease is over.
  std::string Detach() &&;

  // Whether a closing call is still to be made.
  bool open() const;

 private:
  friend class Client;
  friend class Worker;
  explicit TaskGuard(std::unique_ptr<internal::GuardState> state);

  // Null once moved from.
  std::unique_ptr<internal::GuardState> state_;
};

static_assert(!std::is_copy_constructible_v<TaskGuard> && !std::is_copy_assignable_v<TaskGuard>,
              "a lock has one holder");
static_assert(std::is_nothrow_move_constructible_v<TaskGuard> &&
                  std::is_nothrow_move_assignable_v<TaskGuard>,
              "a guard can be handed on, and kept in containers");
static_assert(std::is_nothrow_destructible_v<TaskGuard>, "an exception may be on its way");

}  // namespace tracker
