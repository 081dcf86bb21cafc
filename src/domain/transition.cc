#include "src/domain/transition.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "src/base/limits.h"

namespace tracker::domain {
namespace {

const Policy& PolicyOf(const Command& command) {
  static const Policy kDefaults;
  return command.policy ? *command.policy : kDefaults;
}

bool Live(const Task& task, absl::Time now) {
  return task.status == Status::kInProgress && now < task.lock_expire_time;
}

bool HoldsLock(const Task& task, const Command& command) {
  return task.status == Status::kInProgress && task.lock == command.token;
}

// The last attempt was ended by this very command: its token, and in the way that it asks for.
bool EndedBy(const Task& task, const Command& command, ErrorKind kind) {
  return task.lock == command.token && !task.errors.empty() &&
         task.errors.back().fence == task.fence && task.errors.back().kind == kind;
}

void Record(Task& task, ErrorKind kind, absl::Time now, std::string message,
            std::string traceback = "") {
  task.errors.push_back(
      {.attempt = task.attempts,
       .fence = task.fence,
       .time = now,
       .worker = task.worker,
       .kind = kind,
       .message = KeepInnermostEnd(std::move(message), limits::kMessageBytes),
       .traceback = KeepInnermostEnd(std::move(traceback), limits::kTracebackBytes)});
  if (task.errors.size() > limits::kErrors) task.errors.erase(task.errors.begin());
}

void RecordLeaseExpired(Task& task, absl::Time now) {
  Record(
      task, ErrorKind::kLeaseExpired, now,
      absl::StrCat("the lease ended at ",
                   absl::FormatTime(absl::RFC3339_sec, task.lock_expire_time, absl::UTCTimeZone()),
                   " with no word from the worker"));
}

bool AttemptsLeft(const Task& task, const Policy& policy) {
  return task.attempts < EffectiveMaxAttempts(task, policy);
}

// The task's last lock may begin no further attempt from here on. Before the first attempt it is
// the token of Create, which nobody knows.
void RetireLock(Task& task) {
  if (task.fence == 0) return;
  if (task.spent_locks.size() >= limits::kSpentLocks) {
    task.spent_locks.erase(task.spent_locks.begin());
  }
  task.spent_locks.push_back(task.lock);
}

// One lock is one attempt (docs/adr/0002): the command's had its attempt before the last one.
bool IsSpent(const Task& task, const Command& command) {
  return std::find(task.spent_locks.begin(), task.spent_locks.end(), command.token) !=
         task.spent_locks.end();
}

void Leave(Task& task, Status status, absl::Time now) {
  task.status = status;
  task.lock_expire_time = absl::UnixEpoch();
  task.alarm_time = absl::UnixEpoch();
  task.update_time = now;
}

// From when on it may be started.
void AvailableFrom(Task& task, absl::Time time, absl::Time now) {
  task.available_time = time;
  task.alarm_time = time > now ? time : absl::UnixEpoch();
}

// After an attempt that went wrong: failed while attempts are left, else exhausted.
void FailOrExhaust(Task& task, bool left, absl::Duration delay, absl::Time now) {
  Leave(task, left ? Status::kFailed : Status::kExhausted, now);
  if (left) AvailableFrom(task, now + delay, now);
}

absl::Duration DelayAfter(const Task& task, const Command& command) {
  return BackoffDelay(PolicyOf(command).backoff, task.attempts, command.random);
}

Transition Answer(Reason reason, std::string message, const std::optional<Task>& task,
                  absl::Time now, bool changed) {
  Transition result{
      .outcome = {.reason = reason, .message = std::move(message), .task = task, .now = now},
      .changed = changed};
  if (result.outcome.task) result.outcome.task->lock.clear();
  return result;
}

Transition Refuse(Reason reason, std::string message, const std::optional<Task>& task,
                  absl::Time now) {
  return Answer(reason, std::move(message), task, now, /*changed=*/false);
}

Transition Done(const std::optional<Task>& task, absl::Time now) {
  return Answer(Reason::kOk, "", task, now, true);
}

Transition SameAgain(const std::optional<Task>& task, absl::Time now) {
  return Answer(Reason::kOk, "", task, now, /*changed=*/false);
}

Transition NotFound(absl::Time now) {
  return Refuse(Reason::kTaskNotFound, "there is no such task", std::nullopt, now);
}

Transition Locked(const std::optional<Task>& task, absl::Time now) {
  Transition refusal =
      Refuse(Reason::kTaskLocked, absl::StrCat("the task is held by worker '", task->worker, "'"),
             task, now);
  refusal.outcome.retry_after = task->lock_expire_time - now;
  return refusal;
}

Transition LockLost(const std::optional<Task>& task, absl::Time now) {
  return Refuse(
      Reason::kLockLost,
      absl::StrCat("this lock does not hold the task, which is ", StatusName(task->status)), task,
      now);
}

// A start that found no attempt left.
Transition Exhausted(std::string message, const std::optional<Task>& task, absl::Time now,
                     bool changed) {
  return Answer(Reason::kTaskExhausted, std::move(message), task, now, changed);
}

Transition Paused(const std::optional<Task>& task, const Command& command, absl::Time now) {
  return Refuse(Reason::kNamespacePaused, PausedText(PolicyOf(command)), task, now);
}

Transition NotReady(const std::optional<Task>& task, const std::vector<std::string>& unmet,
                    absl::Time now) {
  Transition refusal = Refuse(
      Reason::kTaskNotReady,
      absl::StrCat("the task of this id has not succeeded yet in ", absl::StrJoin(unmet, ", ")),
      task, now);
  refusal.outcome.missing = unmet;
  return refusal;
}

// The task has changed since it was chosen.
std::optional<Transition> CheckUnchanged(const std::optional<absl::Time>& as_of,
                                         const std::optional<Task>& task, absl::Time now) {
  if (!as_of || *as_of == task->update_time) return std::nullopt;
  return Refuse(Reason::kTaskChanged, "the task has changed since it was chosen", task, now);
}

Task NewTask(const TaskKey& key, absl::Time now) {
  return {.key = key,
          .create_time = now,
          .update_time = now,
          .available_time = now,
          .lock_time = absl::UnixEpoch(),
          .lock_expire_time = absl::UnixEpoch(),
          .lease = absl::ZeroDuration(),
          .alarm_time = absl::UnixEpoch()};
}

Transition On(const Create& create, std::optional<Task>& task, const Command& command,
              absl::Time now) {
  if (task) {
    const bool ours =
        task->status == Status::kPending && task->fence == 0 && task->lock == command.token;
    if (ours || create.allow_existing) return SameAgain(task, now);
    return Refuse(Reason::kTaskExists, "the task exists already", task, now);
  }
  task = NewTask(command.key, now);
  task->data = create.data;
  task->priority = create.priority;
  task->max_attempts = create.max_attempts;
  AvailableFrom(*task, create.available_time.value_or(now), now);
  task->lock = command.token;
  return Done(task, now);
}

// What a start asks of its namespace, and of those that come before it.
std::optional<Transition> CheckNamespaces(const std::optional<Task>& task, const Command& command,
                                          absl::Time now, const std::vector<std::string>& unmet) {
  if (PolicyOf(command).paused) return Paused(task, command, now);
  if (!unmet.empty()) return NotReady(task, unmet, now);
  return std::nullopt;
}

// The lock check of Start for a task in progress. None: the start may go on, and what the last
// attempt left behind is recorded.
std::optional<Transition> CheckLock(const Start& start, std::optional<Task>& task,
                                    const Command& command, absl::Time now,
                                    const std::vector<std::string>& unmet) {
  if (Live(*task, now)) {
    if (task->lock == command.token) {
      Transition same = SameAgain(task, now);
      same.outcome.task->lock = task->lock;
      return same;
    }
    if (!start.ignore_lock) return Locked(task, now);
    if (IsSpent(*task, command)) return LockLost(task, now);
    if (auto refusal = CheckNamespaces(task, command, now, unmet)) return refusal;
    if (!AttemptsLeft(*task, PolicyOf(command)) && !start.force) {
      return Exhausted(
          "the attempt that is under way is the last one; reset the task, or take it over with "
          "force",
          task, now, /*changed=*/false);
    }
    Record(*task, ErrorKind::kReleased, now,
           absl::StrCat("taken over by worker '", start.worker, "' with ignore_lock"));
    return std::nullopt;
  }
  // One lock is one attempt (docs/adr/0002): this one's is over.
  if (task->lock == command.token || IsSpent(*task, command)) return LockLost(task, now);
  if (auto refusal = CheckNamespaces(task, command, now, unmet)) return refusal;
  RecordLeaseExpired(*task, now);
  if (AttemptsLeft(*task, PolicyOf(command)) || start.force) return std::nullopt;
  Leave(*task, Status::kExhausted, now);
  return Exhausted("the last attempt's lease is over, and no attempt is left", task, now,
                   /*changed=*/true);
}

// The check of what is left for a task that is not in progress. One that waits for an attempt which
// it may not have, as its policy allows fewer since, comes to its end here.
std::optional<Transition> CheckAttempts(const Start& start, std::optional<Task>& task,
                                        const Command& command, absl::Time now) {
  const bool waits = task->status == Status::kPending || task->status == Status::kFailed;
  if (!waits || start.force || AttemptsLeft(*task, PolicyOf(command))) return std::nullopt;
  Leave(*task, Status::kExhausted, now);
  return Exhausted("no attempt is left; reset it, or start it with force", task, now,
                   /*changed=*/true);
}

// The status checks of Start for a task that is not in progress.
std::optional<Transition> CheckStatus(const Start& start, const std::optional<Task>& task,
                                      absl::Time now) {
  switch (task->status) {
    case Status::kPending:
    case Status::kFailed:
      if (now < task->available_time) {
        Transition refusal =
            Refuse(Reason::kTaskNotAvailable, "the task is not available yet", task, now);
        refusal.outcome.retry_after = task->available_time - now;
        return refusal;
      }
      return std::nullopt;
    case Status::kExhausted:
      if (start.force) return std::nullopt;
      return Refuse(Reason::kTaskExhausted, "no attempt is left; reset it, or start it with force",
                    task, now);
    case Status::kSucceeded:
      if (start.force) return std::nullopt;
      return Refuse(Reason::kTaskSucceeded,
                    "the task has succeeded; reset it, or start it with force", task, now);
    case Status::kIgnored:
      if (start.force) return std::nullopt;
      return Refuse(Reason::kTaskIgnored, "the task is ignored; reset it, or start it with force",
                    task, now);
    case Status::kInProgress: return std::nullopt;
  }
  return std::nullopt;
}

Transition On(const Start& start, std::optional<Task>& task, const Command& command, absl::Time now,
              const std::vector<std::string>& unmet) {
  const Policy& policy = PolicyOf(command);
  if (!task) {
    if (!start.create_if_missing) return NotFound(now);
    if (auto refusal = CheckNamespaces(task, command, now, unmet)) return *std::move(refusal);
    task = NewTask(command.key, now);
  } else {
    if (task->status == Status::kInProgress) {
      if (auto answer = CheckLock(start, task, command, now, unmet)) return *std::move(answer);
    } else {
      if (auto refusal = CheckStatus(start, task, now)) return *std::move(refusal);
      if (task->lock == command.token || IsSpent(*task, command)) return LockLost(task, now);
      if (auto refusal = CheckNamespaces(task, command, now, unmet)) return *std::move(refusal);
      if (auto refusal = CheckAttempts(start, task, command, now)) return *std::move(refusal);
    }
    RetireLock(*task);
  }
  task->attempts = task->status == Status::kSucceeded ? 1 : task->attempts + 1;
  task->status = Status::kInProgress;
  task->fence += 1;
  task->worker = start.worker;
  task->lock = command.token;
  task->lease = start.lease.value_or(policy.lease);
  task->lock_time = now;
  task->lock_expire_time = now + task->lease;
  task->alarm_time = task->lock_expire_time;
  task->update_time = now;
  Transition started = Done(task, now);
  started.outcome.task->lock = task->lock;
  return started;
}

Transition On(const Heartbeat& heartbeat, std::optional<Task>& task, const Command& command,
              absl::Time now) {
  if (!task) return NotFound(now);
  if (!HoldsLock(*task, command)) return LockLost(task, now);
  if (heartbeat.lease) task->lease = *heartbeat.lease;
  task->lock_expire_time = now + task->lease;
  task->alarm_time = std::min(task->alarm_time, task->lock_expire_time);
  task->update_time = now;
  if (heartbeat.data) task->data = *heartbeat.data;
  return Done(task, now);
}

Transition On(const Succeed& succeed, std::optional<Task>& task, const Command& command,
              absl::Time now) {
  if (!task) return NotFound(now);
  if (task->status == Status::kSucceeded && task->lock == command.token)
    return SameAgain(task, now);
  if (!HoldsLock(*task, command)) return LockLost(task, now);
  Leave(*task, Status::kSucceeded, now);
  if (succeed.data) task->data = *succeed.data;
  return Done(task, now);
}

Transition On(const Fail& fail, std::optional<Task>& task, const Command& command, absl::Time now) {
  if (!task) return NotFound(now);
  const bool over = task->status == Status::kFailed || task->status == Status::kExhausted;
  if (over && EndedBy(*task, command, ErrorKind::kFailed)) return SameAgain(task, now);
  if (!HoldsLock(*task, command)) return LockLost(task, now);
  Record(*task, ErrorKind::kFailed, now, fail.message, fail.traceback);
  const bool left = !fail.no_retry && AttemptsLeft(*task, PolicyOf(command));
  FailOrExhaust(*task, left, fail.retry_delay.value_or(DelayAfter(*task, command)), now);
  if (fail.data) task->data = *fail.data;
  return Done(task, now);
}

Transition On(const Release& release, std::optional<Task>& task, const Command& command,
              absl::Time now) {
  if (!task) return NotFound(now);
  const bool over = task->status == Status::kPending || task->status == Status::kExhausted;
  if (over && EndedBy(*task, command, ErrorKind::kReleased)) return SameAgain(task, now);
  if (!HoldsLock(*task, command)) return LockLost(task, now);
  // Since that answer the worker has got the task otherwise.
  if (release.undelivered && task->update_time != *release.undelivered) return LockLost(task, now);
  Record(*task, ErrorKind::kReleased, now,
         release.undelivered ? "given back: the claim's answer did not reach the worker"
                             : "given back by the worker");
  task->attempts = std::max(0, task->attempts - 1);
  // A start by force may have begun more attempts than there may be: then none is left even so.
  const bool left = AttemptsLeft(*task, PolicyOf(command));
  Leave(*task, left ? Status::kPending : Status::kExhausted, now);
  if (left) AvailableFrom(*task, now + release.delay, now);
  return Done(task, now);
}

// What an operator's command records of the attempt that it breaks off.
void RecordBrokenOff(Task& task, absl::string_view by, absl::Time now) {
  if (task.status != Status::kInProgress) return;
  if (Live(task, now)) {
    Record(task, ErrorKind::kReleased, now,
           absl::StrCat("fenced out: the task was ", by, " by an operator"));
  } else {
    RecordLeaseExpired(task, now);
  }
}

Transition On(const Ignore& ignore, std::optional<Task>& task, const Command& command,
              absl::Time now) {
  if (!task) return NotFound(now);
  if (task->status == Status::kIgnored && task->lock == command.token) return SameAgain(task, now);
  if (auto refusal = CheckUnchanged(ignore.as_of, task, now)) return *std::move(refusal);
  if (task->status == Status::kIgnored) return SameAgain(task, now);
  RecordBrokenOff(*task, "ignored", now);
  RetireLock(*task);
  Leave(*task, Status::kIgnored, now);
  task->lock = command.token;
  return Done(task, now);
}

Transition On(const Reset& reset, std::optional<Task>& task, const Command& command,
              absl::Time now) {
  if (!task) return NotFound(now);
  if (task->status == Status::kPending && task->lock == command.token) return SameAgain(task, now);
  if (auto refusal = CheckUnchanged(reset.as_of, task, now)) return *std::move(refusal);
  if (Live(*task, now) && !reset.force) return Locked(task, now);
  RecordBrokenOff(*task, "reset", now);
  RetireLock(*task);
  Leave(*task, Status::kPending, now);
  task->attempts = 0;
  AvailableFrom(*task, now, now);
  task->lock = command.token;
  return Done(task, now);
}

Transition On(const Delete& del, std::optional<Task>& task, const Command&, absl::Time now) {
  if (!task) return NotFound(now);
  if (auto refusal = CheckUnchanged(del.as_of, task, now)) return *std::move(refusal);
  if (Live(*task, now) && !del.force) return Locked(task, now);
  Transition gone = Done(task, now);
  task.reset();
  return gone;
}

Transition On(const Expire&, std::optional<Task>& task, const Command& command, absl::Time now) {
  if (!task) return NotFound(now);
  if (task->alarm_time == absl::UnixEpoch() || now < task->alarm_time) return SameAgain(task, now);
  if (task->status != Status::kInProgress) {
    // It was waiting for its time, which has come.
    task->alarm_time = absl::UnixEpoch();
    return Done(task, now);
  }
  if (Live(*task, now)) {
    // Heartbeats have renewed the lease since.
    task->alarm_time = task->lock_expire_time;
    return Done(task, now);
  }
  RecordLeaseExpired(*task, now);
  FailOrExhaust(*task, AttemptsLeft(*task, PolicyOf(command)), DelayAfter(*task, command), now);
  return Done(task, now);
}

Transition On(const Purge& purge, std::optional<Task>& task, const Command&, absl::Time now) {
  if (!task) return NotFound(now);
  if (!Finished(task->status) || task->update_time > purge.before) return SameAgain(task, now);
  Transition gone = Done(task, now);
  task.reset();
  return gone;
}

}  // namespace

int EffectiveMaxAttempts(const Task& task, const Policy& policy) {
  return task.max_attempts > 0 ? task.max_attempts : policy.max_attempts;
}

std::string KeepInnermostEnd(std::string text, size_t limit) {
  if (text.size() <= limit) return text;
  constexpr absl::string_view kCut = "…";
  size_t from = text.size() - (limit - kCut.size());
  // Not in the middle of a character: continuation bytes are 10xxxxxx.
  while (from < text.size() && (static_cast<unsigned char>(text[from]) & 0xC0) == 0x80) ++from;
  return absl::StrCat(kCut, absl::string_view(text).substr(from));
}

namespace {

// `fence` is that of the attempt which was under way before the command, 0: none was.
AttemptEnd EndOf(int64_t fence, const std::optional<Task>& task, const Command& command) {
  if (fence == 0 || !task) return AttemptEnd::kNone;
  if (std::holds_alternative<Succeed>(command.action)) return AttemptEnd::kSucceeded;
  const bool recorded = !task->errors.empty() && task->errors.back().fence == fence;
  if (!recorded || task->errors.back().kind == ErrorKind::kReleased) return AttemptEnd::kNone;
  return AttemptEnd::kWentWrong;
}

}  // namespace

Transition Apply(std::optional<Task>& task, const Command& command, absl::Time now,
                 const std::vector<std::string>& unmet) {
  const int64_t fence = task && task->status == Status::kInProgress ? task->fence : 0;
  Transition transition = std::visit(
      [&](const auto& action) -> Transition {
        if constexpr (std::is_same_v<std::decay_t<decltype(action)>, Start>) {
          return On(action, task, command, now, unmet);
        } else {
          return On(action, task, command, now);
        }
      },
      command.action);
  if (transition.changed) transition.ended = EndOf(fence, task, command);
  return transition;
}

}  // namespace tracker::domain
