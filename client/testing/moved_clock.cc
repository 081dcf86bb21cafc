#include "client/testing/moved_clock.h"

#include <algorithm>

namespace tracker::testing {
namespace {

// Far beyond every limit of the server, and times stay within what it can store.
constexpr absl::Duration kFurthest = absl::Hours(24 * 365 * 100);
// A wait on a stranger's condition variable hears nothing of Advance. So soon it looks.
constexpr absl::Duration kLongestWait = absl::Milliseconds(10);
constexpr absl::Duration kLongestSleep = absl::Hours(1);

}  // namespace

absl::Duration MovedClock::offset() const {
  std::lock_guard lock(mutex_);
  return offset_;
}

void MovedClock::Advance(absl::Duration by) {
  std::lock_guard lock(mutex_);
  offset_ = std::min(offset_ + std::max(by, absl::ZeroDuration()), kFurthest);
  moved_.notify_all();
}

internal::MonotonicTime MovedClock::Now() const { return Clock::Real()->Now() + offset(); }

void MovedClock::SleepFor(absl::Duration duration) {
  std::unique_lock lock(mutex_);
  const internal::MonotonicTime end = Clock::Real()->Now() + offset_ + duration;
  for (;;) {
    const absl::Duration rest = end - (Clock::Real()->Now() + offset_);
    if (rest <= absl::ZeroDuration()) return;
    moved_.wait_for(lock, absl::ToChronoNanoseconds(std::min(rest, kLongestSleep)));
  }
}

void MovedClock::Wait(std::condition_variable& changed, std::unique_lock<std::mutex>& lock,
                      internal::MonotonicTime until) const {
  const absl::Duration wait = std::clamp(until - Now(), absl::ZeroDuration(), kLongestWait);
  changed.wait_for(lock, absl::ToChronoNanoseconds(wait));
}

}  // namespace tracker::testing
