#include "client/src/clock.h"

#include <time.h>

#include <algorithm>
#include <thread>

namespace tracker::internal {
namespace {

// Waits do not count while the machine sleeps, so the clock is looked at this often.
constexpr absl::Duration kLongestWait = absl::Seconds(1);

class RealClock : public Clock {
 public:
  MonotonicTime Now() const override {
    timespec now{};
    clock_gettime(CLOCK_BOOTTIME, &now);
    return absl::TimeFromTimespec(now);
  }
  void SleepFor(absl::Duration duration) override {
    std::this_thread::sleep_for(absl::ToChronoNanoseconds(duration));
  }
  void Wait(std::condition_variable& changed, std::unique_lock<std::mutex>& lock,
            MonotonicTime until) const override {
    if (until == absl::InfiniteFuture()) return changed.wait(lock);
    const absl::Duration wait = std::clamp(until - Now(), absl::ZeroDuration(), kLongestWait);
    changed.wait_for(lock, absl::ToChronoNanoseconds(wait));
  }
};

}  // namespace

Clock* Clock::Real() {
  static RealClock clock;
  return &clock;
}

}  // namespace tracker::internal
