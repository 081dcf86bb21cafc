// What holds for the tasks of a namespace: plain values. Operator (operator.h) reads and sets them.
#pragma once

#include <optional>
#include <string>

#include "absl/time/time.h"

namespace tracker {

// How long to wait before the n-th retry: min(max, initial * multiplier^(n-1)), shortened at random
// by up to the share `jitter`.
struct Backoff {
  // 0 to `max`. 0: no wait.
  absl::Duration initial = absl::ZeroDuration();
  // 1 to 100.
  double multiplier = 2;
  // At most 30 days.
  absl::Duration max = absl::Hours(1);
  // 0 to 1.
  double jitter = 0;
};

// When a namespace pauses itself: when of the attempts that ended within the last `window`, and
// since the policy was last set, at least `min_attempts` in number, the share `share` or more went
// wrong.
struct PauseOnFailure {
  // More than 0, at most 1.
  double share = 0.5;
  // 10 s to 1 h.
  absl::Duration window = absl::Minutes(1);
  // 1 to 1,000,000.
  int min_attempts = 20;
};

// What is not said otherwise holds where a namespace has no policy.
struct Policy {
  std::string name_space;
  // Where a start names none; 100 ms to 24 h.
  absl::Duration lease = absl::Minutes(15);
  // Where a task has no number of its own; 1 to 1000.
  int max_attempts = 3;
  Backoff backoff;
  // How long a finished task is kept, 1 s to 100 years. None: for ever.
  std::optional<absl::Duration> retention;
  // Nothing is started or claimed.
  bool paused = false;
  // Why it is paused, for people; at most 1024 bytes. Empty when it is not.
  std::string pause_reason;
  // None: the namespace never pauses itself.
  std::optional<PauseOnFailure> pause_on_failure;
  // When it last changed; none: it was never set. Ignored by SetPolicy.
  std::optional<absl::Time> update_time;
};

}  // namespace tracker
