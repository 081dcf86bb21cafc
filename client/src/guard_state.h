// What a TaskGuard holds. Not thread-safe, but for what reads held_.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
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
  const std::shared_ptr<HeldLock>& held() const { return held_; }
  bool IsValid() const { return core_->keeper().IsValid(*held_); }
  absl::Status WhyLost() const { return core_->keeper().WhyLost(*held_); }
  bool open() const { return !closed_; }

  void OnLost(std::function<void(const absl::Status&)> callback);

  absl::Status SetData(const std::string& json);
  absl::Status Checkpoint();
  absl::Status Heartbeat();
  absl::Status Succeed(const std::string* data);
  absl::Status Fail(const std::string& message, const FailOptions& options);
  absl::Status Release(absl::Duration delay);
  void Detach();

 private:
  using LostCallback = std::optional<std::stop_callback<std::function<void()>>>;

  // Has `fn` called when the lock is lost, until the guard is closed.
  void CallWhenLost(LostCallback& callback, std::function<void(const absl::Status&)> fn);
  absl::Status Renew(const v1::Operation& operation);
  // `result`: what the report says, for the log; `text`: why, where there is more to say.
  absl::Status Close(const v1::Operation& operation, absl::Duration limit, const char* result,
                     const std::string& text = "");
  absl::Status Fail(const std::string& message, const FailOptions& options, absl::Duration limit);
  // By the way in which the guard goes out of scope.
  void FailUnfinished();
  // No more calls, whatever becomes of the lock.
  void End();
  void LogBegin();
  void LogEnd(const char* result, const std::string& text, const absl::Status& reported) const;

  const std::shared_ptr<ClientCore> core_;
  const std::shared_ptr<HeldLock> held_;
  const MonotonicTime began_;
  Task task_;
  // The data to be saved, where it is not yet.
  std::optional<google::protobuf::Struct> unsaved_;
  // Of the holder, and of the log.
  LostCallback on_lost_, log_lost_;
  const int uncaught_exceptions_;  // when the guard was made
  bool closed_ = false;
  bool succeeded_ = false;  // the work, whatever became of its report
};

}  // namespace tracker::internal
