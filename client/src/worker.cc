#include "tracker/worker.h"

#include <cxxabi.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/src/failure.h"
#include "client/src/guard_state.h"
#include "client/src/log_line.h"
#include "client/src/random.h"
#include "client/src/status_details.h"
#include "client/src/work.h"
#include "client/src/worker_state.h"

namespace tracker {
namespace {

constexpr int kMaxConcurrency = 1000;
// How long a Claim waits at the server; it is cancelled when the worker stops.
constexpr absl::Duration kClaimWait = absl::Seconds(30);
// How long Stop tries to give tasks back.
constexpr absl::Duration kGiveBack = absl::Seconds(5);

// Nothing is wrong: this task is not to be had now.
bool IsPassedOver(const absl::Status& status) {
  switch (ReasonOf(status)) {
    case Reason::kTaskNotFound:
    case Reason::kTaskLocked:
    case Reason::kTaskNotAvailable:
    case Reason::kTaskExhausted:
    case Reason::kTaskSucceeded:
    case Reason::kTaskIgnored:
    case Reason::kTaskNotReady: return true;
    default: return false;
  }
}

// Nothing that time would mend.
bool IsFatal(const absl::Status& status) {
  return absl::IsPermissionDenied(status) || absl::IsUnauthenticated(status) ||
         absl::IsUnimplemented(status);
}

}  // namespace

Worker::State::State(std::shared_ptr<Client> client, WorkerOptions options, Call call)
    : client_(std::move(client)),
      core_(client_->core_),
      options_(std::move(options)),
      call_(std::move(call)) {}

Worker::State::~State() {
  for (std::thread& thread : threads_) thread.join();
}

absl::Status Worker::State::CheckOptions() const {
  if (options_.concurrency < 1 || options_.concurrency > kMaxConcurrency) {
    return internal::InvalidArgument(absl::StrCat("concurrency: is ", options_.concurrency,
                                                  "; 1 to ", kMaxConcurrency, " are allowed"));
  }
  if (options_.name_space.empty()) return internal::InvalidArgument("name_space: is missing");
  if (options_.once && !options_.ids)
    return internal::InvalidArgument(
        "once: goes with ids; a claim never knows that it is the last");
  if (options_.poll_interval <= absl::ZeroDuration())
    return internal::InvalidArgument("poll_interval: must be longer than nothing");
  return absl::OkStatus();
}

absl::Status Worker::State::Start() {
  if (absl::Status status = CheckOptions(); !status.ok()) return status;
  Lock lock(mutex_);
  if (started_) return absl::FailedPreconditionError("the worker was started before");
  started_ = true;
  for (int i = 0; i < options_.concurrency; ++i) {
    ++running_;
    threads_.emplace_back([this] { Work(); });
  }
  return absl::OkStatus();
}

void Worker::State::Await() {
  Lock lock(mutex_);
  changed_.wait(lock, [&] { return running_ == 0 || stopping_.stop_requested(); });
}

void Worker::State::RequestStop() {
  stopping_.request_stop();
  Lock lock(mutex_);
  changed_.notify_all();
}

absl::Status Worker::State::Stop() {
  RequestStop();
  Lock lock(mutex_);
  for (const std::thread& thread : threads_) {
    if (thread.get_id() == std::this_thread::get_id())
      return absl::FailedPreconditionError("a handler cannot wait for itself: use RequestStop");
  }
  const internal::MonotonicTime until = core_->clock().Now() + options_.stop_timeout;
  while (running_ > 0 && core_->clock().Now() < until) core_->clock().Wait(changed_, lock, until);
  if (running_ == 0) return absl::OkStatus();
  lock.unlock();
  GiveBack();
  lock.lock();
  if (running_ == 0) return absl::OkStatus();
  return absl::DeadlineExceededError(
      absl::StrCat(running_, " handlers still run; their tasks have been given back"));
}

void Worker::State::GiveBack() {
  std::vector<std::shared_ptr<internal::HeldLock>> held;
  {
    Lock lock(mutex_);
    held = std::exchange(held_, {});
  }
  core_->ReleaseAll(held, absl::CancelledError("the worker stops, and has given the task back"),
                    kGiveBack);
}

absl::Status Worker::State::error() const {
  Lock lock(mutex_);
  return error_;
}

WorkerStats Worker::State::stats() const {
  Lock lock(mutex_);
  return stats_;
}

void Worker::State::Work() {
  options_.ids ? WorkByIds() : WorkByClaim();
  Lock lock(mutex_);
  --running_;
  changed_.notify_all();
}

void Worker::State::WorkByIds() {
  StartOptions start{.lease = options_.lease,
                     .worker = options_.worker,
                     .create_if_missing = options_.create_if_missing,
                     .after = options_.after,
                     .time_limit = options_.time_limit,
                     .cancel = stopping_.get_token()};
  while (const auto id = NextId()) {
    auto guard = client_->Start(options_.name_space, *id, start);
    if (guard.ok()) {
      Handle(*std::move(guard));
    } else if (!GoOn(guard.status())) {
      return;
    }
  }
}

void Worker::State::WorkByClaim() {
  const ClaimOptions claim{.wait = kClaimWait,
                           .after = options_.after,
                           .lease = options_.lease,
                           .worker = options_.worker,
                           .time_limit = options_.time_limit,
                           .cancel = stopping_.get_token()};
  while (!stopping_.stop_requested()) {
    auto guards = client_->Claim(options_.name_space, claim);
    if (!guards.ok()) {
      if (!GoOn(guards.status())) return;
    } else if (!guards->empty()) {
      Handle(std::move(guards->front()));
    }
  }
}

std::optional<std::string> Worker::State::NextId() {
  Lock lock(mutex_);
  while (!stopping_.stop_requested()) {
    if (!ids_.empty()) {
      std::string id = std::move(ids_.front());
      ids_.pop_front();
      return id;
    }
    if (asking_) {
      changed_.wait(lock);
    } else if (options_.once && asked_) {
      return std::nullopt;
    } else {
      AskForIds(lock);
    }
  }
  return std::nullopt;
}

void Worker::State::AskForIds(Lock& lock) {
  asking_ = true;
  if (stats_.started == started_before_round_) Pause(lock);
  started_before_round_ = stats_.started;
  lock.unlock();
  absl::StatusOr<std::vector<std::string>> ids = std::vector<std::string>();
  try {
    if (!stopping_.stop_requested()) ids = options_.ids();
  } catch (abi::__forced_unwind&) {
    throw;
  } catch (...) {
    ids = absl::UnknownError(
        absl::StrCat("ids: threw ", internal::FailureOfCurrentException().message));
  }
  if (!ids.ok() && !stopping_.stop_requested()) Complain(ids.status());
  lock.lock();
  if (ids.ok()) ids_.assign(ids->begin(), ids->end());
  asked_ = true;
  asking_ = false;
  changed_.notify_all();
}

void Worker::State::Pause(Lock& lock) {
  internal::Clock& clock = core_->clock();
  // Not all workers of a fleet at the same moment.
  const internal::MonotonicTime until =
      clock.Now() + options_.poll_interval * internal::Uniform(0.75, 1.25);
  while (!stopping_.stop_requested() && clock.Now() < until) clock.Wait(changed_, lock, until);
}

void Worker::State::Handle(TaskGuard guard) {
  const std::shared_ptr<internal::HeldLock> held = guard.state_->held();
  {
    Lock lock(mutex_);
    ++stats_.started;
    held_.push_back(held);
  }
  bool open = true;
  absl::Status status;
  try {
    status = internal::WorkAndReport(guard, [&](TaskGuard& task) {
      internal::WorkResult result = call_(task, stopping_.get_token());
      open = task.open();
      return result;
    });
  } catch (abi::__forced_unwind&) {
    throw;
  } catch (...) {
    // It has been recorded as the attempt's failure.
    open = false;
  }
  Lock lock(mutex_);
  std::erase(held_, held);
  ++(ReportFailed(status)  ? stats_.unreported
     : open && status.ok() ? stats_.succeeded
                           : stats_.ended);
}

bool Worker::State::GoOn(const absl::Status& status) {
  if (IsPassedOver(status) || stopping_.stop_requested()) return true;
  // Nothing is wrong, and none of the other tasks is to be had either.
  const bool paused = ReasonOf(status) == Reason::kNamespacePaused;
  if (paused && options_.once) return true;
  if (!paused) Complain(status);
  Lock lock(mutex_);
  Pause(lock);
  return !stopping_.stop_requested();
}

void Worker::State::Complain(const absl::Status& status) {
  internal::Log(
      core_->options().logger, LogLevel::kWarning,
      absl::StrCat("worker namespace=", options_.name_space, " error=", internal::Quoted(status)));
  const bool fatal = IsFatal(status);
  {
    Lock lock(mutex_);
    if (error_.ok() && (fatal || options_.once)) error_ = status;
  }
  if (fatal) RequestStop();
}

Worker::Worker(std::shared_ptr<Client> client, WorkerOptions options, Call call)
    : state_(std::make_unique<State>(std::move(client), std::move(options), std::move(call))) {}

Worker::~Worker() { Stop().IgnoreError(); }

absl::Status Worker::Start() { return state_->Start(); }

absl::Status Worker::Run() {
  if (absl::Status status = Start(); !status.ok()) return status;
  state_->Await();
  const absl::Status stopped = Stop();
  const absl::Status error = state_->error();
  return error.ok() ? stopped : error;
}

void Worker::RequestStop() { state_->RequestStop(); }
absl::Status Worker::Stop() { return state_->Stop(); }
WorkerStats Worker::stats() const { return state_->stats(); }

}  // namespace tracker
