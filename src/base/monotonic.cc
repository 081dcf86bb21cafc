#include "src/base/monotonic.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "absl/time/clock.h"

namespace tracker::base {
namespace {

// Longer waits are cut to this, and then look again: the sum of the clock and an infinite duration
// has no place on it.
constexpr absl::Duration kLongestWait = absl::Hours(1);

}  // namespace

MonotonicTime MonotonicNow() {
  return absl::UnixEpoch() + absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

MonotonicTime MonotonicFromWall(absl::Time wall) {
  if (wall == absl::InfiniteFuture() || wall == absl::InfinitePast()) return wall;
  return MonotonicNow() + (wall - absl::Now());
}

void SleepFor(absl::Duration duration) {
  std::this_thread::sleep_for(absl::ToChronoNanoseconds(duration));
}

void Bell::Ring() {
  const std::lock_guard lock(mutex_);
  rung_ = true;
  rung_changed_.notify_all();
}

bool Bell::WaitFor(absl::Duration duration) {
  const MonotonicTime end = MonotonicNow() + duration;
  std::unique_lock lock(mutex_);
  while (!rung_) {
    const absl::Duration left = end - MonotonicNow();
    if (left <= absl::ZeroDuration()) return false;
    // A duration of std::chrono: libstdc++ waits for it on the steady clock.
    rung_changed_.wait_for(lock, absl::ToChronoNanoseconds(std::min(left, kLongestWait)));
  }
  rung_ = false;
  return true;
}

}  // namespace tracker::base
