#include "src/domain/policy.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"

namespace tracker::domain {

absl::Duration BackoffDelay(const Backoff& backoff, int attempt, double random) {
  if (backoff.initial <= absl::ZeroDuration()) return absl::ZeroDuration();
  const double growth = std::pow(std::max(1.0, backoff.multiplier), std::max(0, attempt - 1));
  // Compared as numbers of seconds: the growth may be larger than any duration.
  const double seconds =
      std::min(absl::ToDoubleSeconds(backoff.initial) * growth, absl::ToDoubleSeconds(backoff.max));
  const double shortened = seconds * (1 - std::clamp(backoff.jitter, 0.0, 1.0) * random);
  return absl::Floor(absl::Seconds(std::max(0.0, shortened)), absl::Microseconds(1));
}

std::string PausedText(const Policy& policy) {
  if (policy.pause_reason.empty()) return "the namespace is paused";
  return absl::StrCat("the namespace is paused: ", policy.pause_reason);
}

}  // namespace tracker::domain
