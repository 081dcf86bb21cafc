// When to ask again: exponential pauses with full jitter, so that a fleet whose server comes back
// does not arrive at the same moment.
#pragma once

#include <stop_token>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/src/clock.h"
#include "client/src/transport.h"

namespace tracker::internal {

// Whether a report with this outcome may not have been recorded, so that it is worth repeating:
// there was no answer, or it was turned away unread.
bool IsUnanswered(const absl::Status& status);

// The pauses between the attempts of one call. Not thread-safe.
class Pauses {
 public:
  // Waits as long as befits the next attempt: up to 100 ms, 200 ms, ... 2 s, and not less than the
  // status asks for; less once `cancel` stops. False, without waiting, where `until` comes first.
  bool Wait(Pausing& pausing, Clock& clock, MonotonicTime until, const absl::Status& status,
            const std::stop_token& cancel = {});

 private:
  absl::Duration limit_ = absl::Milliseconds(100);
};

// Calls `call(timeout)` until it is not Unavailable (which the server and gRPC say of requests that
// may be repeated as they are), or `limit` has passed; answers its last result. Cancelled once
// `cancel` has stopped.
template <typename Call>
auto Retry(Pausing& pausing, Clock& clock, absl::Duration limit, const std::stop_token& cancel,
           const Call& call) {
  const MonotonicTime until = clock.Now() + limit;
  Pauses pauses;
  for (;;) {
    auto result = call(until - clock.Now());
    if (result.ok() || !absl::IsUnavailable(result.status())) return result;
    if (!pauses.Wait(pausing, clock, until, result.status(), cancel)) return result;
    if (cancel.stop_requested()) return decltype(result)(absl::CancelledError("cancelled"));
  }
}

}  // namespace tracker::internal
