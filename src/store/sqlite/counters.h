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

// As the methods of Store.
absl::StatusOr<CountPage> ReadCounts(Connection& connection, const CountQuery& query);
absl::StatusOr<CountCheck> CheckCounts(Connection& connection, const GoOn& go_on);
absl::StatusOr<std::vector<AttemptCount>> CountAttempts(Connection& connection,
                                                        const std::vector<AttemptQuery>& queries,
                                                        absl::Time now);
absl::StatusOr<std::vector<std::string>> ListAttempted(Connection& connection,
                                                       const std::string& after, int limit);
// Counts the tasks of a namespace anew, within a write transaction of the caller's.
absl::Status RepairCounts(Connection& connection, const std::string& name_space);

}  // namespace tracker::store::sqlite
