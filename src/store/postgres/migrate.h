// Brings a database's schema to what this build needs. Safe when many servers do it at once.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "src/store/postgres/connection.h"

namespace tracker::store::postgres {

// Applies the migrations that the database lacks; with `allowed` false it only checks:
// FailedPrecondition when some are lacking. FailedPrecondition too for a schema that is newer than
// this build.
absl::Status Migrate(Connection& connection, bool allowed);

// The number of buckets, as the database says.
absl::StatusOr<int> ReadBuckets(Connection& connection);

}  // namespace tracker::store::postgres
