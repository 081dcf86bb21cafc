#include "client/testing/network.h"

#include <utility>

namespace tracker::testing {

void Network::FailNext(int calls, absl::Status status) {
  if (!status.ok()) Add(std::move(status), calls);
}

void Network::LoseNextAnswers(int calls) { Add(absl::OkStatus(), calls); }

void Network::Add(absl::Status status, int calls) {
  std::lock_guard lock(mutex_);
  if (calls > 0) faults_.push_back({std::move(status), calls});
}

void Network::SetReachable(bool reachable) {
  std::lock_guard lock(mutex_);
  reachable_ = reachable;
}

void Network::TakeDown() {
  std::lock_guard lock(mutex_);
  taken_down_ = true;
}

absl::Status Network::Closed() const {
  // Not Unavailable: nobody should wait for it to come back.
  if (taken_down_) return absl::FailedPreconditionError("the FakeTracker of this client is gone");
  if (!reachable_) return absl::UnavailableError("the FakeTracker is set unreachable");
  return absl::OkStatus();
}

Network::Fate Network::NextCall() {
  std::lock_guard lock(mutex_);
  if (absl::Status closed = Closed(); !closed.ok()) return {std::move(closed)};
  if (faults_.empty()) return {};
  Fate fate{faults_.front().status, faults_.front().status.ok()};
  if (--faults_.front().calls == 0) faults_.pop_front();
  return fate;
}

absl::Status Network::NextHeartbeat() {
  std::lock_guard lock(mutex_);
  absl::Status closed = Closed();
  if (closed.ok()) ++heartbeats_;
  return closed;
}

void Network::HeartbeatAnswered() {
  std::lock_guard lock(mutex_);
  --heartbeats_;
  answered_.notify_all();
}

void Network::AwaitHeartbeats(absl::Duration limit) {
  std::unique_lock lock(mutex_);
  answered_.wait_for(lock, absl::ToChronoNanoseconds(limit), [this] { return heartbeats_ == 0; });
}

}  // namespace tracker::testing
