// The door to time: tests move it, and nobody sleeps in them. Implementations are thread-safe.
#pragma once

#include <condition_variable>
#include <mutex>

#include "absl/time/time.h"

namespace tracker::internal {

// A point on a clock that never jumps. Its epoch means nothing; only differences do.
using MonotonicTime = absl::Time;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual MonotonicTime Now() const = 0;
  virtual void SleepFor(absl::Duration duration) = 0;
  // Gives `lock` up until `changed` is notified or `until` has come; may return before either.
  virtual void Wait(std::condition_variable& changed, std::unique_lock<std::mutex>& lock,
                    MonotonicTime until) const = 0;

  // Counts also while the machine sleeps, since a lease on the server does.
  static Clock* Real();
};

}  // namespace tracker::internal
