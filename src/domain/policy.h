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
};

struct Policy {
  std::string name_space;
  absl::Duration lease = limits::kDefaultLease;
  int max_attempts = limits::kDefaultMaxAttempts;
  Backoff backoff;
  // How long a finished task is kept; none: for ever.
  std::optional<absl::Duration> retention;
  bool paused = false;
};

// The wait after the attempt-th attempt (from 1) went wrong. `random` in [0, 1) chooses within the
// jitter. Whole microseconds, never negative.
absl::Duration BackoffDelay(const Backoff& backoff, int attempt, double random);

}  // namespace tracker::domain
