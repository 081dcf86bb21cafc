// What is counted as it happens: tasks by namespace and status, and attempts by the second. A
// commit updates the counters themselves: there is one writer at a time anyway.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "src/store/batch.h"
#include "src/store/sqlite/database.h"
#include "src/store/store.h"

namespace tracker::store::sqlite {

absl::Status AddCounts(Connection& connection, const Batch::CountDeltas& deltas);
absl::Status AddAttempts(Connection& connection, const Batch::AttemptDeltas& deltas,
                         absl::Time now);

// As Store::Count, Store::CheckCounts.
absl::StatusOr<std::vector<StatusCount>> ReadCounts(Connection& connection,
                                                    const std::string& name_space);
absl::StatusOr<CountCheck> CheckCounts(Connection& connection, const GoOn& go_on);
// Counts the tasks of a namespace anew, within a write transaction of the caller's.
absl::Status RepairCounts(Connection& connection, const std::string& name_space);
// The attempts that ended at or after `from`, and after `since`.
absl::StatusOr<AttemptCount> CountAttempts(Connection& connection, const std::string& name_space,
                                           absl::Time from, absl::Time since);

}  // namespace tracker::store::sqlite
