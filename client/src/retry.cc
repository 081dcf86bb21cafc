#include "client/src/retry.h"

#include <algorithm>

#include "client/src/random.h"
#include "tracker/errors.h"

namespace tracker::internal {

bool IsUnanswered(const absl::Status& status) {
  return absl::IsUnavailable(status) || status.code() == absl::StatusCode::kDeadlineExceeded ||
         status.code() == absl::StatusCode::kCancelled || ReasonOf(status) == Reason::kOverloaded;
}

bool Pauses::Wait(Pausing& pausing, Clock& clock, MonotonicTime until, const absl::Status& status,
                  const std::stop_token& cancel) {
  constexpr absl::Duration kShortest = absl::Milliseconds(5);
  constexpr absl::Duration kLongest = absl::Seconds(2);
  // How soon a cancellation is seen.
  constexpr absl::Duration kSlice = absl::Milliseconds(100);
  absl::Duration pause = std::max(kShortest, limit_ * Uniform(0, 1));
  if (const auto wished = RetryAfterOf(status)) pause = std::max(pause, *wished);
  limit_ = std::min(limit_ * 2, kLongest);
  if (clock.Now() + pause >= until) return false;
  while (pause > absl::ZeroDuration() && !cancel.stop_requested()) {
    const absl::Duration slice = cancel.stop_possible() ? std::min(pause, kSlice) : pause;
    pausing.Pause(clock, slice);
    pause -= slice;
  }
  return true;
}

}  // namespace tracker::internal
