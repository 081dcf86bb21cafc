// Compares what is derived from the tasks (the entries by which they are found, and the counters)
// with the tasks, and puts it right. Thread-safe.
//
// Each step is one statement, so one snapshot, in which a task and its entries agree or were
// damaged (entry_sweep.h). No transaction stays open for longer than a step, but for the recount,
// which needs one snapshot of all. What is missing is added while the task is locked, as only who
// holds its lock adds entries otherwise.
#pragma once

#include "absl/status/statusor.h"
#include "src/store/postgres/read.h"
#include "src/store/store.h"

namespace tracker::store::postgres {

// As Store::Check.
absl::StatusOr<CheckReport> Check(const ReadAccess& read, const CheckOptions& options);

}  // namespace tracker::store::postgres
