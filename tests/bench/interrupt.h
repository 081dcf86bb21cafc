// Ctrl-C and SIGTERM: the run ends early and cleans up after itself. A second one ends the process
// at once. Thread-safe.
#pragma once

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace tracker::bench {

void CatchInterrupts();
bool Interrupted();
absl::Status InterruptedError();
// Shorter when interrupted.
void SleepUnlessInterrupted(absl::Duration time);

}  // namespace tracker::bench
