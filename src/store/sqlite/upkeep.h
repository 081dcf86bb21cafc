// What the background work looks for: alarms that have come, finished tasks that are old, and what
// may be forgotten. All in bounded steps.
#pragma once

#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "src/domain/task.h"
#include "src/store/sqlite/database.h"
#include "src/store/store.h"

namespace tracker::store::sqlite {

// As the methods of Store. Tidy: within a write transaction of the caller's.
absl::StatusOr<std::vector<domain::TaskKey>> ListDue(Connection& connection, int limit,
                                                     absl::Time now);
absl::StatusOr<FinishedPage> ListFinished(Connection& connection, const FinishedQuery& query,
                                          absl::Time now);
absl::Status Tidy(Connection& connection, absl::Time now);

}  // namespace tracker::store::sqlite
