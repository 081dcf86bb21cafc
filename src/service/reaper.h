// Ends the attempts whose lease is over, so that a crashed worker's task comes back. On every
// replica at once: they do not get in each other's way, since an attempt that one has ended is left
// alone by the others.
#pragma once

#include "absl/status/statusor.h"
#include "src/store/store.h"

namespace tracker::service {

// One bounded step: ends up to `limit` attempts, those whose lease has been over longest. How many
// leases were found over; as many as the limit: there may be more.
absl::StatusOr<int> ReapOnce(store::Store& store, int limit);

}  // namespace tracker::service
