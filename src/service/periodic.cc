#include "src/service/periodic.h"

#include <utility>

#include "absl/random/random.h"

namespace tracker::service {

Periodic::Periodic(std::function<absl::Duration()> step)
    : step_(std::move(step)), thread_([this] { Run(); }) {}

Periodic::Periodic(absl::Duration interval, std::function<bool()> step)
    : Periodic([interval, step = std::move(step)] {
        return step() ? absl::ZeroDuration() : interval;
      }) {}

Periodic::~Periodic() { Stop(); }

void Periodic::Nudge() { bell_.Ring(); }

void Periodic::Run() {
  absl::BitGen random;
  while (true) {
    bell_.WaitFor(step_() * absl::Uniform(random, 0.8, 1.2));
    absl::MutexLock lock(&mutex_);
    if (stopping_) return;
  }
}

void Periodic::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  bell_.Ring();
  if (thread_.joinable()) thread_.join();
}

}  // namespace tracker::service
