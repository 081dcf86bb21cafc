// The clock of Connect's clients, and the offset of the server's: real time plus what the test has
// added. Thread-safe.
#pragma once

#include <condition_variable>
#include <mutex>

#include "absl/time/time.h"
#include "client/src/clock.h"

namespace tracker::testing {

class MovedClock final : public internal::Clock {
 public:
  // What was added; only grows.
  absl::Duration offset() const;
  // Ends the sleeps that are over by then. Zero or less moves nothing.
  void Advance(absl::Duration by);

  internal::MonotonicTime Now() const override;
  void SleepFor(absl::Duration duration) override;
  // Returns early, now and then, so that its caller sees what Advance did.
  void Wait(std::condition_variable& changed, std::unique_lock<std::mutex>& lock,
            internal::MonotonicTime until) const override;

 private:
  mutable std::mutex mutex_;
  std::condition_variable moved_;
  absl::Duration offset_;  // guarded by mutex_
};

}  // namespace tracker::testing
