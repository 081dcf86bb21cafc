// The baseline of `trackerbench claim`: a queue as it is made by hand, worked on by pgbench.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tests/bench/servers.h"

namespace tracker::bench {

// Makes the table anew, vacuumed, with `rows` tasks: more than a run takes.
absl::Status PrepareClaimBaseline(const Servers& servers, int64_t rows);
absl::Status DropClaimBaseline(const Servers& servers);

// Cycles a second of `clients`, each of which takes the next task (UPDATE of a SELECT ... FOR
// UPDATE SKIP LOCKED LIMIT 1) and finishes it if the lock is still its own; each statement commits
// by itself.
absl::StatusOr<double> RunClaimBaseline(const Servers& servers, int clients,
                                        absl::Duration duration);

}  // namespace tracker::bench
