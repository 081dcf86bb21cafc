#include "tests/bench/interrupt.h"

#include <signal.h>

#include <algorithm>
#include <atomic>

#include "absl/time/clock.h"

namespace tracker::bench {
namespace {

std::atomic<bool> interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler sets it");

}  // namespace

void CatchInterrupts() {
  struct sigaction action = {};
  action.sa_handler = [](int) { interrupted = true; };
  action.sa_flags = static_cast<int>(SA_RESETHAND) | SA_RESTART;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

bool Interrupted() { return interrupted; }

absl::Status InterruptedError() { return absl::CancelledError("interrupted"); }

void SleepUnlessInterrupted(absl::Duration time) {
  const absl::Time end = absl::Now() + time;
  for (absl::Time now = absl::Now(); now < end && !Interrupted(); now = absl::Now()) {
    absl::SleepFor(std::min(end - now, absl::Milliseconds(100)));
  }
}

}  // namespace tracker::bench
