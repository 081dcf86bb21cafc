// What holds for the tasks of a namespace, and the wait between their attempts.
#pragma once

#include <optional>
#include <string>

#include "absl/time/time.h"
#include "src/base/limits.h"

namespace tracker::domain {

// The wait before the n-th retry is min(max, initial * multiplier^(n-1)), shortened by up to the
// share `jitter`. The default is no wait.
struct Backoff {
  absl::Duration initial = absl::ZeroDuration();
  double multiplier = 2;
  absl::Duration max = absl::Hours(1);
  double jitter = 0;

  friend bool operator==(const Backoff&, const Backoff&) = default;
};

// When a namespace pauses itself: of the attempts that ended within the last `window`, at least
// `min_attempts`, the share `share` or more went wrong.
struct PauseOnFailure {
  double share = 0.5;
  absl::Duration window = absl::Minutes(1);
  int min_attempts = 20;

  friend bool operator==(const PauseOnFailure&, const PauseOnFailure&) = default;
};

struct Policy {
  std::string name_space;
  absl::Duration lease = limits::kDefaultLease;
  int max_attempts = limits::kDefaultMaxAttempts;
  Backoff backoff;
  // How long a finished task is kept; none: for ever.
  std::optional<absl::Duration> retention;
  // Nothing is started or claimed.
  bool paused = false;
  // Why, for people; empty when it is not paused.
  std::string pause_reason;
  std::optional<PauseOnFailure> pause_on_failure;
  // The store's: grows with each change, 0 for one that is not stored; and when the last was.
  int64_t revision = 0;
  absl::Time update_time = absl::UnixEpoch();

  friend bool operator==(const Policy&, const Policy&) = default;
};

// The wait after the attempt-th attempt (from 1) went wrong. `random` in [0, 1) chooses within the
// jitter. Whole microseconds, never negative.
absl::Duration BackoffDelay(const Backoff& backoff, int attempt, double random);

// What a paused namespace says: that it is paused, and why.
std::string PausedText(const Policy& policy);

}  // namespace tracker::domain
