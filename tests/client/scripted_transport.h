// A server that fails on command, and a clock that is moved: what the client's tests run against.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "client/src/clock.h"
#include "client/src/convert.h"
#include "client/src/core.h"
#include "client/src/status_details.h"
#include "client/src/transport.h"
#include "client/wire/error_details.pb.h"
#include "client/wire/status.pb.h"
#include "tracker/client.h"

namespace tracker::testing {

namespace rpc = internal::rpc;
namespace v1 = internal::v1;

class FakeClock : public internal::Clock {
 public:
  internal::MonotonicTime Now() const override {
    std::lock_guard lock(mutex_);
    return now_;
  }
  void SleepFor(absl::Duration duration) override { Advance(duration); }
  // Looks at the moved time again and again, so that whoever waits need not be known here.
  void Wait(std::condition_variable& changed, std::unique_lock<std::mutex>& lock,
            internal::MonotonicTime) const override {
    changed.wait_for(lock, std::chrono::milliseconds(1));
  }
  void Advance(absl::Duration duration) {
    std::lock_guard lock(mutex_);
    now_ += duration;
  }

 private:
  mutable std::mutex mutex_;
  internal::MonotonicTime now_ = absl::FromUnixSeconds(1000);
};

// A refusal as the server makes it.
inline absl::Status Refusal(absl::StatusCode code, const std::string& reason,
                            const std::optional<v1::Task>& task = std::nullopt,
                            std::optional<absl::Duration> retry_after = std::nullopt) {
  rpc::Status answer;
  answer.set_code(static_cast<int>(code));
  answer.set_message(reason + " for this test");
  rpc::ErrorInfo info;
  info.set_reason(reason);
  info.set_domain("tracker");
  internal::AddDetail(info, &answer);
  if (task) internal::AddDetail(*task, &answer);
  if (retry_after) {
    rpc::RetryInfo retry;
    internal::ToProto(*retry_after, retry.mutable_retry_delay());
    internal::AddDetail(retry, &answer);
  }
  return internal::MakeStatus(answer.code(), answer.message(), answer.SerializeAsString());
}

inline absl::Status LockLost() { return Refusal(absl::StatusCode::kAborted, "LOCK_LOST"); }

// Answers every write with its task, in progress and with a full lease, until told otherwise.
// Requests may come from several threads; what they find is set up before, or with mutex() held.
class ScriptedTransport : public internal::Transport {
 public:
  using Answer = std::function<absl::StatusOr<v1::Task>(const v1::Operation&)>;

  explicit ScriptedTransport(FakeClock* clock) : clock_(clock) {}

  // The next writes fail so, one each; those of a Batch, too.
  void FailNext(std::vector<absl::Status> errors) {
    for (auto& error : errors) errors_.push_back(std::move(error));
  }
  // Every write takes this long, and is not answered when its timeout is shorter.
  absl::Duration latency = absl::ZeroDuration();
  absl::Duration lease = absl::Seconds(9);
  // Instead of the plain answer.
  Answer answer;
  // Batch calls that get no answer, until Drop or cancellation.
  bool hang = false;
  // Answers Get.
  std::function<absl::StatusOr<v1::Task>(const v1::GetRequest&)> get;
  std::function<absl::StatusOr<v1::ListResponse>(const v1::ListRequest&)> list;
  std::function<absl::StatusOr<v1::ClaimResponse>(const v1::ClaimRequest&)> claim;

  // What was asked, in order.
  std::vector<v1::Operation> writes;
  std::vector<v1::BatchRequest> batches;
  std::vector<v1::ClaimRequest> claims;
  std::vector<absl::Duration> timeouts;

  // The writes of one kind.
  int Count(v1::Operation::OperationCase kind) const {
    std::lock_guard lock(mutex_);
    return static_cast<int>(std::count_if(writes.begin(), writes.end(), [&](const auto& write) {
      return write.operation_case() == kind;
    }));
  }

  std::recursive_mutex& mutex() const { return mutex_; }

  absl::StatusOr<v1::Task> Write(const v1::Operation& operation,
                                 const internal::CallOptions& options) override {
    std::lock_guard lock(mutex_);
    writes.push_back(operation);
    timeouts.push_back(options.timeout);
    if (latency > options.timeout) {
      clock_->Advance(options.timeout);
      return absl::DeadlineExceededError("too late");
    }
    clock_->Advance(latency);
    return One(operation);
  }

  void Batch(v1::BatchRequest request, const internal::CallOptions& options,
             BatchCallback done) override {
    std::lock_guard lock(mutex_);
    batches.push_back(request);
    timeouts.push_back(options.timeout);
    if (hang) {
      hung_.push_back(std::move(done));
      return;
    }
    if (!errors_.empty() && absl::IsUnavailable(errors_.front())) {
      done(One({}).status());
      return;
    }
    v1::BatchResponse response;
    for (const v1::Operation& operation : request.operations()) {
      auto task = One(operation);
      if (task.ok()) {
        *response.add_results()->mutable_task() = *task;
      } else {
        auto* error = response.add_results()->mutable_error();
        const auto payload = task.status().GetPayload("type.googleapis.com/google.rpc.Status");
        if (payload) error->ParseFromString(std::string(*payload));
        error->set_code(static_cast<int>(task.status().code()));
      }
    }
    done(std::move(response));
  }

  // The calls that hang fail.
  void EndHung(const absl::Status& status) {
    for (auto& done : std::exchange(hung_, {})) done(status);
  }

  absl::StatusOr<v1::Task> Get(const v1::GetRequest& request,
                               const internal::CallOptions&) override {
    if (get) return get(request);
    return Refusal(absl::StatusCode::kNotFound, "TASK_NOT_FOUND");
  }
  absl::StatusOr<v1::ListResponse> List(const v1::ListRequest& request,
                                        const internal::CallOptions&) override {
    return list(request);
  }
  absl::StatusOr<v1::CountResponse> Count(const v1::CountRequest&,
                                          const internal::CallOptions&) override {
    return v1::CountResponse();
  }
  absl::StatusOr<v1::ClaimResponse> Claim(const v1::ClaimRequest& request,
                                          const internal::CallOptions& options) override {
    std::lock_guard lock(mutex_);
    claims.push_back(request);
    timeouts.push_back(options.timeout);
    if (!errors_.empty()) {
      const absl::Status error = std::move(errors_.front());
      errors_.pop_front();
      if (!error.ok()) return error;
    }
    return claim ? claim(request) : v1::ClaimResponse();
  }

 private:
  absl::StatusOr<v1::Task> One(const v1::Operation& operation) {
    if (!errors_.empty()) {
      absl::Status error = std::move(errors_.front());
      errors_.pop_front();
      if (!error.ok()) return error;
    }
    if (answer) return answer(operation);
    v1::Task task;
    task.set_namespace_("jobs");
    task.set_id("a");
    task.set_status(v1::STATUS_IN_PROGRESS);
    task.set_fence(7);
    internal::ToProto(lease, task.mutable_lease_remaining());
    if (operation.has_start()) task.set_lock(operation.start().lock());
    return task;
  }

  FakeClock* const clock_;
  mutable std::recursive_mutex mutex_;
  std::deque<absl::Status> errors_;
  std::vector<BatchCallback> hung_;
};

// A client over both; heartbeats happen only in core->keeper().RunOnce().
struct Harness {
  FakeClock clock;
  std::shared_ptr<ScriptedTransport> server = std::make_shared<ScriptedTransport>(&clock);
  std::shared_ptr<internal::ClientCore> core;
  std::unique_ptr<Client> client;

  explicit Harness(ClientOptions options = {}) {
    core = std::make_shared<internal::ClientCore>(server, options, &clock, false);
    client = std::make_unique<Client>(core);
  }
  TaskGuard Start() { return *client->Start("jobs", "a"); }
  const v1::Operation& last() const { return server->writes.back(); }
};

}  // namespace tracker::testing
