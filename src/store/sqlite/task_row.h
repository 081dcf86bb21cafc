// A task as a row: which column is which, in one place.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "src/domain/task.h"
#include "src/store/sqlite/database.h"

namespace tracker::store::sqlite {

// In the order that ReadTask expects, followed by the row id.
inline constexpr absl::string_view kTaskColumns =
    "namespace, id, status, attempts, max_attempts, priority, fence, create_us, update_us, "
    "available_us, worker, lock, lock_us, lock_expire_us, lease_us, alarm_us, spent_locks, data, "
    "errors, "
    "rowid";

// The task of the statement's current row, with its lock. DataLoss for a row that Tracker did not
// write.
absl::StatusOr<domain::Task> ReadTask(const Statement& row);
int64_t ReadRowId(const Statement& row);

// Selects kTaskColumns of the task with the namespace and id that are bound to it.
absl::StatusOr<Statement> SelectByKey(Connection& connection);
// Reads every row of the statement, whose first columns are namespace and id.
absl::StatusOr<std::vector<domain::TaskKey>> ReadKeys(Statement& statement);

absl::Status InsertTask(Connection& connection, const domain::Task& task);
// Writes `after` over `before`: everything but the key and create_time, which never change.
absl::Status UpdateTask(Connection& connection, int64_t row_id, const domain::Task& before,
                        const domain::Task& after);
absl::Status DeleteTask(Connection& connection, int64_t row_id);

}  // namespace tracker::store::sqlite
