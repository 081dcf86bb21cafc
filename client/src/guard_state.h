// What a TaskGuard holds. Not thread-safe, but for `held`.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "client/src/core.h"
#include "client/src/lock_keeper.h"
#include "tracker/task.h"

namespace tracker::internal {

class GuardState {
 public:
  GuardState(std::shared_ptr<ClientCore> core, std::shared_ptr<HeldLock> held, Task task);

  // Fails the task where no closing call was made.
  ~GuardState();
  GuardState(const GuardState&) = delete;
  GuardState& operator=(const GuardState&) = delete;

  const Task& task() const { return task_; }
  const HeldLock& held() const { return *held_; }
  bool IsValid() const { return core_->keeper().IsValid(*held_); }
  bool open() const { return !closed_; }

  absl::Status Heartbeat(const std::string* data);
  absl::Status Succeed(const std::string* data);
  absl::Status Fail(const std::string& message, const FailOptions& options);
  absl::Status Release(absl::Duration delay);
  void Detach();

 private:
  absl::Status Close(const v1::Operation& operation, absl::Duration limit);
  absl::Status Fail(const std::string& message, const FailOptions& options, absl::Duration limit);

  const std::shared_ptr<ClientCore> core_;
  const std::shared_ptr<HeldLock> held_;
  Task task_;
  const int uncaught_exceptions_;  // when the guard was made
  bool closed_ = false;
  bool succeeded_ = false;  // the work, whatever became of its report
};

}  // namespace tracker::internal
