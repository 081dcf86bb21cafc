#include "client/src/coalescer.h"

#include <algorithm>
#include <condition_variable>
#include <optional>
#include <stop_token>
#include <utility>

namespace tracker::internal {

// One write that did not go alone. Its caller waits on a mutex of its own, so that a hundred
// callers who are answered at once do not queue for one mutex.
struct Coalescer::Call {
  // Guarded by Coalescer::mutex_; constant once it is sent.
  v1::Operation operation;
  size_t bytes = 0;
  MonotonicTime deadline;
  // Guarded by Coalescer::mutex_: once sent.
  std::shared_ptr<Flight> flight;

  std::mutex mutex;  // never taken together with Coalescer::mutex_
  std::condition_variable changed;
  bool cancelled = false;                          // guarded by mutex
  std::optional<absl::StatusOr<v1::Task>> result;  // once answered; guarded by mutex
};

// One Batch on its way.
struct Coalescer::Flight {
  std::vector<std::shared_ptr<Call>> calls;  // constant until it is answered
  MonotonicTime deadline;                    // constant: of the call that waits longest
  size_t waiting = 0;                        // callers; guarded by mutex_
  std::stop_source cancel;                   // when nobody waits any more
};

Coalescer::Coalescer(std::shared_ptr<Transport> transport, Clock* clock)
    : transport_(std::move(transport)), clock_(clock) {}
Coalescer::~Coalescer() = default;

absl::StatusOr<v1::Task> Coalescer::Write(const v1::Operation& operation,
                                          const CallOptions& options) {
  Lock lock(mutex_);
  if (on_their_way_ >= kRequestsOnTheirWay || !queue_.empty())
    return Join(operation, options, std::move(lock));
  ++on_their_way_;
  lock.unlock();
  return SendAlone(operation, options);
}

absl::StatusOr<v1::Task> Coalescer::SendAlone(const v1::Operation& operation,
                                              const CallOptions& options) {
  // Whatever happens, those behind it go on.
  struct Landing {
    Coalescer* coalescer;
    ~Landing() {
      Lock lock(coalescer->mutex_);
      --coalescer->on_their_way_;
      coalescer->SendQueued(lock, false);
    }
  } landing{this};
  return transport_->Write(operation, options);
}

absl::StatusOr<v1::Task> Coalescer::Join(const v1::Operation& operation, const CallOptions& options,
                                         Lock lock) {
  auto call = std::make_shared<Call>();
  call->operation = operation;
  call->bytes = BatchBytes(operation);
  const MonotonicTime now = clock_->Now();
  call->deadline = now + options.timeout;
  queue_.push_back(call);
  lock.unlock();
  const std::stop_callback on_cancel(options.cancelled, [&] {
    std::lock_guard cancelling(call->mutex);
    call->cancelled = true;
    call->changed.notify_one();
  });
  const MonotonicTime patience = now + kPatience;
  if (patience < call->deadline && !WaitFor(*call, patience)) SendIfQueued(*call);
  if (WaitFor(*call, call->deadline)) {
    std::lock_guard answered(call->mutex);
    if (call->result) return *std::move(call->result);
  }
  return Abandon(*call);
}

bool Coalescer::WaitFor(Call& call, MonotonicTime until) const {
  Lock lock(call.mutex);
  while (!call.result && !call.cancelled) {
    if (clock_->Now() >= until) return false;
    clock_->Wait(call.changed, lock, until);
  }
  return true;
}

void Coalescer::SendIfQueued(const Call& call) {
  Lock lock(mutex_);
  if (call.flight == nullptr) SendQueued(lock, true);
}

absl::Status Coalescer::Abandon(Call& call) {
  std::shared_ptr<Flight> unwanted;
  {
    Lock lock(mutex_);
    if (call.flight == nullptr) {
      std::erase_if(queue_, [&](const auto& other) { return other.get() == &call; });
    } else if (--call.flight->waiting == 0) {
      unwanted = call.flight;
    }
  }
  // Without the mutex: who is told may answer at once.
  if (unwanted) unwanted->cancel.request_stop();
  std::lock_guard lock(call.mutex);
  if (call.cancelled) return absl::CancelledError("the call was cancelled");
  return absl::DeadlineExceededError("the server did not answer within the deadline");
}

void Coalescer::SendQueued(Lock& lock, bool even_so) {
  while (!queue_.empty() && (even_so || on_their_way_ < kRequestsOnTheirWay)) {
    even_so = false;
    auto flight = TakeFlight();
    ++on_their_way_;
    const absl::Duration timeout = flight->deadline - clock_->Now();
    lock.unlock();
    // It owns the operations now; their callers read only flight and result.
    v1::BatchRequest request;
    for (const auto& call : flight->calls) *request.add_operations() = std::move(call->operation);
    transport_->Batch(
        std::move(request), {timeout, flight->cancel.get_token()},
        [self = shared_from_this(), flight](absl::StatusOr<v1::BatchResponse> answer) {
          self->Answered(flight, std::move(answer));
        });
    lock.lock();
  }
}

std::shared_ptr<Coalescer::Flight> Coalescer::TakeFlight() {
  auto flight = std::make_shared<Flight>();
  BatchRoom room(batch_limit_);
  while (!queue_.empty() && room.Take(queue_.front()->bytes)) {
    const auto& call = queue_.front();
    call->flight = flight;
    flight->deadline = std::max(flight->deadline, call->deadline);
    flight->calls.push_back(call);
    queue_.pop_front();
  }
  flight->waiting = flight->calls.size();
  return flight;
}

void Coalescer::Answered(const std::shared_ptr<Flight>& flight,
                         absl::StatusOr<v1::BatchResponse> answer) {
  // The calls have the flight, and it them: somebody has to let go.
  const auto calls = std::exchange(flight->calls, {});
  size_t whole = 0;
  std::vector<absl::StatusOr<v1::Task>> results;
  results.reserve(calls.size());
  for (size_t i = 0; i < calls.size(); ++i) {
    results.push_back(TakeResult(answer, i));
    whole += !results.back().ok() || !results.back()->truncated();
  }
  Lock lock(mutex_);
  // Data that the answer has no room for has to be fetched one by one: rather ask for less at once.
  batch_limit_ = whole < results.size() ? std::max<size_t>(whole, 1)
                                        : std::min(batch_limit_ * 2, kBatchOperations);
  --on_their_way_;
  SendQueued(lock, false);
  lock.unlock();
  // After the next request is on its way: those that wake now have company on the next one.
  for (size_t i = 0; i < results.size(); ++i) {
    Call& call = *calls[i];
    std::lock_guard answering(call.mutex);
    call.result = std::move(results[i]);
    call.changed.notify_one();
  }
}

size_t Coalescer::queued() const {
  std::lock_guard lock(mutex_);
  return queue_.size();
}

void Coalescer::Batch(v1::BatchRequest request, const CallOptions& options, BatchCallback done) {
  transport_->Batch(std::move(request), options, std::move(done));
}

absl::StatusOr<v1::Task> Coalescer::Get(const v1::GetRequest& request, const CallOptions& options) {
  return transport_->Get(request, options);
}

absl::StatusOr<v1::ListResponse> Coalescer::List(const v1::ListRequest& request,
                                                 const CallOptions& options) {
  return transport_->List(request, options);
}

absl::StatusOr<v1::CountResponse> Coalescer::Count(const v1::CountRequest& request,
                                                   const CallOptions& options) {
  return transport_->Count(request, options);
}

absl::StatusOr<v1::ClaimResponse> Coalescer::Claim(const v1::ClaimRequest& request,
                                                   const CallOptions& options) {
  return transport_->Claim(request, options);
}

void Coalescer::Pause(Clock& clock, absl::Duration duration) { transport_->Pause(clock, duration); }

}  // namespace tracker::internal
