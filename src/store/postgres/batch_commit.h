// The end of a transaction that has locked a batch's rows: writes what the batch changed, and
// commits. Not thread-safe: as its connection.
#pragma once

#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "src/store/batch.h"
#include "src/store/postgres/connection.h"

namespace tracker::store::postgres {

// `batch` has been run at `now`. With `more` as the last statements. Errors as of Connection;
// Aborted too when another transaction inserted one of the rows: run again, and find it.
absl::Status WriteAndCommit(Connection& connection, int bucket, const Batch& batch, absl::Time now,
                            std::vector<StatementCall> more = {});

}  // namespace tracker::store::postgres
