#include "tracker/guard.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/src/convert.h"
#include "client/src/guard_state.h"
#include "client/src/log_line.h"
#include "client/src/status_details.h"
#include "client/src/text.h"
#include "tracker/errors.h"

namespace tracker {
namespace internal {

GuardState::GuardState(std::shared_ptr<ClientCore> core, std::shared_ptr<HeldLock> held, Task task)
    : core_(std::move(core)),
      held_(std::move(held)),
      began_(core_->clock().Now()),
      task_(std::move(task)),
      uncaught_exceptions_(std::uncaught_exceptions()) {
  LogBegin();
}

GuardState::~GuardState() {
  try {
    if (!closed_ && !succeeded_) FailUnfinished();
    core_->keeper().Drop(held_);
  } catch (...) {
    // Out of memory, most likely. The lease runs out, and the task comes back.
  }
}

void GuardState::FailUnfinished() {
  // Counted, and not only asked for, since a guard may also be made and left within a destructor
  // that an exception runs. Which exception it is cannot be asked while it is on its way.
  const bool by_exception = std::uncaught_exceptions() > uncaught_exceptions_;
  Fail(by_exception ? "the guard was left by an exception" : "the guard went out of scope", {},
       std::min(core_->options().deadline, core_->options().report_deadline))
      .IgnoreError();
}

void GuardState::OnLost(std::function<void(const absl::Status&)> callback) {
  // The one before must not run any more when this returns.
  on_lost_.reset();
  if (callback) CallWhenLost(on_lost_, std::move(callback));
}

void GuardState::CallWhenLost(LostCallback& callback, std::function<void(const absl::Status&)> fn) {
  callback.emplace(held_->lost.get_token(), [keeper = &core_->keeper(), held = held_.get(),
                                             fn = std::move(fn)] { fn(keeper->WhyLost(*held)); });
}

absl::Status GuardState::SetData(const std::string& json) {
  google::protobuf::Struct data;
  if (absl::Status status = JsonToStruct(json, &data); !status.ok()) return status;
  unsaved_ = std::move(data);
  task_.data = json;
  return absl::OkStatus();
}

absl::Status GuardState::Checkpoint() {
  v1::Operation operation;
  Name(*held_, operation.mutable_heartbeat());
  if (unsaved_) *operation.mutable_heartbeat()->mutable_data() = *unsaved_;
  absl::Status status = Renew(operation);
  if (status.ok()) unsaved_.reset();
  return status;
}

absl::Status GuardState::Heartbeat() {
  v1::Operation operation;
  Name(*held_, operation.mutable_heartbeat());
  return Renew(operation);
}

absl::Status GuardState::Renew(const v1::Operation& operation) {
  const auto written = core_->Write(operation);
  if (!written.ok()) {
    if (IsLockLost(written.status())) core_->keeper().Lost(*held_, written.status());
    return written.status();
  }
  core_->keeper().Renewed(*held_, written->sent, FromProto(written->task.lease_remaining()));
  return absl::OkStatus();
}

absl::Status GuardState::Close(const v1::Operation& operation, absl::Duration limit,
                               const char* result, const std::string& text) {
  // A heartbeat after the report could only be told that the lock is gone.
  core_->keeper().Drop(held_);
  absl::Status status = core_->Report(operation, *held_, limit);
  if (status.code() == absl::StatusCode::kInvalidArgument) {
    core_->keeper().Resume(held_);
    return status;
  }
  End();
  LogEnd(result, text, status);
  return status;
}

absl::Status GuardState::Succeed(const std::string* data) {
  succeeded_ = true;
  v1::Operation operation;
  Name(*held_, operation.mutable_succeed());
  if (data) {
    absl::Status status = JsonToStruct(*data, operation.mutable_succeed()->mutable_data());
    if (!status.ok()) return AsReportError(std::move(status));
  } else if (unsaved_) {
    *operation.mutable_succeed()->mutable_data() = *unsaved_;
  }
  return Close(operation, core_->options().report_deadline, "succeeded");
}

absl::Status GuardState::Fail(const std::string& message, const FailOptions& options) {
  return Fail(message, options, core_->options().report_deadline);
}

absl::Status GuardState::Fail(const std::string& message, const FailOptions& options,
                              absl::Duration limit) {
  v1::Operation operation;
  Name(*held_, operation.mutable_fail());
  absl::Status status = FillFail(message, options, operation.mutable_fail());
  if (!status.ok()) return AsReportError(std::move(status));
  return Close(operation, limit, "failed", message);
}

absl::Status GuardState::Release(absl::Duration delay) {
  v1::Operation operation;
  Name(*held_, operation.mutable_release());
  if (delay != absl::ZeroDuration()) ToProto(delay, operation.mutable_release()->mutable_delay());
  return Close(operation, core_->options().report_deadline, "released");
}

void GuardState::Detach() {
  core_->keeper().Drop(held_);
  End();
  LogEnd("detached", "", absl::OkStatus());
}

void GuardState::End() {
  closed_ = true;
  on_lost_.reset();
  log_lost_.reset();
}

void GuardState::LogBegin() {
  const Logger& logger = core_->options().logger;
  if (!logger) return;
  Log(logger, LogLevel::kInfo,
      absl::StrCat("begin ", TaskFields(task_), " worker=", Quoted(task_.worker), " lease=",
                   absl::FormatDuration(task_.lease_remaining.value_or(absl::ZeroDuration()))));
  CallWhenLost(log_lost_, [&logger, task = TaskFields(task_)](const absl::Status& why) {
    Log(logger, LogLevel::kWarning, absl::StrCat("lost ", task, " error=", Quoted(why)));
  });
}

void GuardState::LogEnd(const char* result, const std::string& text,
                        const absl::Status& reported) const {
  const Logger& logger = core_->options().logger;
  if (!logger) return;
  const absl::Duration took = absl::Trunc(core_->clock().Now() - began_, absl::Milliseconds(1));
  std::string line = absl::StrCat("end ", TaskFields(task_), " result=", result,
                                  " took=", absl::FormatDuration(took));
  if (!text.empty()) absl::StrAppend(&line, " message=", Quoted(text));
  if (!reported.ok()) absl::StrAppend(&line, " report_error=", Quoted(reported));
  Log(logger, reported.ok() ? LogLevel::kInfo : LogLevel::kWarning, line);
}

}  // namespace internal

namespace {

absl::Status NotOpen() {
  return internal::AsReportError(
      absl::FailedPreconditionError("the guard was closed or moved from"));
}

}  // namespace

TaskGuard::TaskGuard(std::unique_ptr<internal::GuardState> state) : state_(std::move(state)) {}
TaskGuard::TaskGuard(TaskGuard&&) noexcept = default;
TaskGuard& TaskGuard::operator=(TaskGuard&&) noexcept = default;
TaskGuard::~TaskGuard() = default;

const Task& TaskGuard::task() const {
  static const Task* const kEmpty = new Task;
  return state_ ? state_->task() : *kEmpty;
}

const std::string& TaskGuard::lock() const {
  static const std::string* const kEmpty = new std::string;
  return state_ ? state_->held()->lock : *kEmpty;
}

std::stop_token TaskGuard::stop_token() const {
  return state_ ? state_->held()->lost.get_token() : std::stop_token();
}

bool TaskGuard::held() const { return open() && state_->IsValid(); }

bool TaskGuard::open() const { return state_ && state_->open(); }

absl::Status TaskGuard::lost() const { return state_ ? state_->WhyLost() : absl::OkStatus(); }

void TaskGuard::OnLost(std::function<void(const absl::Status&)> callback) {
  if (open()) state_->OnLost(std::move(callback));
}

absl::Status TaskGuard::SetData(const std::string& json) {
  return open() ? state_->SetData(json) : NotOpen();
}

absl::Status TaskGuard::Checkpoint() { return open() ? state_->Checkpoint() : NotOpen(); }

absl::Status TaskGuard::Checkpoint(const std::string& json) {
  const absl::Status status = SetData(json);
  return status.ok() ? Checkpoint() : status;
}

absl::Status TaskGuard::Heartbeat() { return open() ? state_->Heartbeat() : NotOpen(); }

absl::Status TaskGuard::Succeed(std::optional<std::string> data) && {
  return open() ? state_->Succeed(data ? &*data : nullptr) : NotOpen();
}

absl::Status TaskGuard::Fail(std::string message, const FailOptions& options) && {
  return open() ? state_->Fail(message, options) : NotOpen();
}

absl::Status TaskGuard::Release(absl::Duration delay) && {
  return open() ? state_->Release(delay) : NotOpen();
}

std::string TaskGuard::Detach() && {
  if (!open()) return "";
  state_->Detach();
  return state_->held()->lock;
}

}  // namespace tracker
