// The rows of a Batch: how they are read into it, and how what it changed is written. Within a
// write transaction of the caller's.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "src/domain/task.h"
#include "src/store/batch.h"
#include "src/store/sqlite/database.h"

namespace tracker::store::sqlite {

// The rows that the database refuses, and why.
using Refused = std::map<domain::TaskKey, std::string>;

// Whether the task is there, and has succeeded.
absl::StatusOr<bool> HasSucceeded(Connection& connection, const domain::TaskKey& key);

// Gives `batch` what there is of its tasks, and returns their row ids (0: none), as keys().
absl::StatusOr<std::vector<int64_t>> LoadBatch(Connection& connection, const Refused& refused,
                                               Batch& batch);
// Gives `batch` what has succeeded of its prerequisites.
absl::Status LoadPrerequisites(Connection& connection, Batch& batch);

// Writes what the batch has changed, and the counters; whether there was anything. InvalidArgument:
// one more row has been refused, and the others are worth another try.
absl::StatusOr<bool> WriteBatch(Connection& connection, const Batch& batch,
                                const std::vector<int64_t>& row_ids, absl::Time now,
                                Refused& refused);

}  // namespace tracker::store::sqlite
