// Time for durations: a clock that never jumps, and a wait that goes by it. The wall clock is
// stepped by people and by NTP; Abseil's timed waits (Mutex::AwaitWithTimeout, Notification) end at
// a point of the wall clock, so that a step back by an hour has them wait for an hour.
//
// Thread-safe.
#pragma once

#include <condition_variable>
#include <mutex>

#include "absl/time/time.h"

namespace tracker::base {

// A point on the monotonic clock. Its epoch means nothing; only differences do.
using MonotonicTime = absl::Time;

MonotonicTime MonotonicNow();

// A point of the wall clock, as gRPC tells deadlines, by what the wall clock says at this moment.
MonotonicTime MonotonicFromWall(absl::Time wall);

// Blocks for that long, whatever happens to the wall clock.
void SleepFor(absl::Duration duration);

// Ends a wait early. It stays rung until a wait has seen it, so a ring just before a wait is not
// lost.
class Bell {
 public:
  void Ring();
  // Waits until the bell is rung or `duration` has passed. Whether it was rung.
  bool WaitFor(absl::Duration duration);

 private:
  std::mutex mutex_;
  std::condition_variable rung_changed_;
  bool rung_ = false;
};

}  // namespace tracker::base
