#include "src/service/periodic.h"

#include <utility>

#include "absl/random/random.h"

namespace tracker::service {

Periodic::Periodic(absl::Duration interval, std::function<bool()> step)
    : interval_(interval), step_(std::move(step)), thread_([this] { Run(); }) {}

Periodic::~Periodic() { Stop(); }

void Periodic::Nudge() {
  absl::MutexLock lock(&mutex_);
  nudged_ = true;
}

void Periodic::Run() {
  absl::BitGen random;
  while (true) {
    const bool more = step_();
    absl::MutexLock lock(&mutex_);
    const absl::Duration wait =
        more ? absl::ZeroDuration() : interval_ * absl::Uniform(random, 0.8, 1.2);
    mutex_.AwaitWithTimeout(absl::Condition(this, &Periodic::Woken), wait);
    if (stopping_) return;
    nudged_ = false;
  }
}

void Periodic::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

}  // namespace tracker::service
