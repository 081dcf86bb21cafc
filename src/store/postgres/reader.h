// Reads of single tasks and of what is to be done, each one statement or a few. Thread-safe. Each
// is the Store method of that name.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "src/store/postgres/read.h"
#include "src/store/store.h"

namespace tracker::store::postgres {

domain::Outcome Get(const ReadAccess& read, const domain::TaskKey& key);
absl::StatusOr<std::vector<domain::TaskKey>> ListDue(const ReadAccess& read, const DueQuery& query);
absl::StatusOr<FinishedPage> ListFinished(const ReadAccess& read, const FinishedQuery& query);
absl::Status Ping(const ReadAccess& read);

}  // namespace tracker::store::postgres
