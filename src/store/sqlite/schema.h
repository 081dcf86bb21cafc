// The tables of the embedded store, and how an older file is brought up to them.
#pragma once

#include "absl/status/status.h"
#include "src/store/sqlite/database.h"

namespace tracker::store::sqlite {

// Checks that the database is Tracker's own, and of a schema that this program knows; with
// `migrate` brings it up to the newest, in one transaction, safely with others doing the same.
// FailedPrecondition, with what to do, when it cannot be used.
absl::Status PrepareSchema(Connection& connection, bool migrate);

}  // namespace tracker::store::sqlite
