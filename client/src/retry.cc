#include "client/src/retry.h"

#include <algorithm>

#include "client/src/random.h"
#include "tracker/errors.h"

namespace tracker::internal {

bool IsUnanswered(const absl::Status& status) {
  return absl::IsUnavailable(status) || status.code() == absl::StatusCode::kDeadlineExceeded ||
         status.code() == absl::StatusCode::kCancelled || ReasonOf(status) == Reason::kOverloaded;
}

bool Pauses::Wait(Transport& transport, Clock& clock, MonotonicTime until,
                  const absl::Status& status) {
  constexpr absl::Duration kShortest = absl::Milliseconds(5);
  constexpr absl::Duration kLongest = absl::Seconds(2);
  absl::Duration pause = std::max(kShortest, limit_ * Uniform(0, 1));
  if (const auto wished = RetryAfterOf(status)) pause = std::max(pause, *wished);
  limit_ = std::min(limit_ * 2, kLongest);
  if (clock.Now() + pause >= until) return false;
  transport.Pause(clock, pause);
  return true;
}

}  // namespace tracker::internal
