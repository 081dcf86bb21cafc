// Tasks and commands in the situations that the tests of the state machine begin from, written out
// rather than made by the code under test.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "src/domain/command.h"
#include "src/domain/task.h"

namespace tracker::domain::testing {

inline const TaskKey kKey = {"invoices", "2026-001"};
// The token that the task's row holds, one of an attempt before that, and one never seen.
inline const std::string kOwnToken(32, 'a');
inline const std::string kOldToken(32, 'b');
inline const std::string kOtherToken(32, 'c');

inline const absl::Time kStart = absl::FromUnixSeconds(1'800'000'000);
inline constexpr absl::Duration kLease = absl::Seconds(60);
inline const absl::Time kNow = kStart + absl::Seconds(30);
inline constexpr int kMaxAttempts = 3;

// A task as Create leaves it, made with the own token.
inline Task PendingTask() {
  Task task;
  task.key = kKey;
  task.max_attempts = kMaxAttempts;
  task.create_time = task.update_time = task.available_time = kStart;
  task.lock = kOwnToken;
  task.lock_time = task.lock_expire_time = task.alarm_time = absl::UnixEpoch();
  task.data = R"({"n":1})";
  return task;
}

// In its attempts-th attempt, under the own token, until kStart + kLease.
inline Task RunningTask(int attempts = 1) {
  Task task = PendingTask();
  task.status = Status::kInProgress;
  task.attempts = attempts;
  task.fence = attempts;
  task.worker = "worker-1";
  task.lock_time = kStart;
  task.lock_expire_time = kStart + kLease;
  task.alarm_time = task.lock_expire_time;
  task.lease = kLease;
  return task;
}

// After an attempt that went wrong in this way, in this status.
inline Task EndedTask(Status status, ErrorKind kind, int attempts = 1) {
  Task task = RunningTask(attempts);
  task.status = status;
  task.lock_expire_time = task.alarm_time = absl::UnixEpoch();
  task.errors.push_back({.attempt = attempts,
                         .fence = task.fence,
                         .time = kStart,
                         .worker = task.worker,
                         .kind = kind,
                         .message = "it broke"});
  return task;
}

inline Command MakeCommand(Action action, std::string token = kOtherToken) {
  return {.key = kKey, .token = std::move(token), .action = std::move(action)};
}

}  // namespace tracker::domain::testing
