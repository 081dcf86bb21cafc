// Pages of tasks, and their errors in groups. Thread-safe. Each is the Store method of that name.
#pragma once

#include "absl/status/statusor.h"
#include "src/store/postgres/read.h"
#include "src/store/store.h"

namespace tracker::store::postgres {

absl::StatusOr<Page> List(const ReadAccess& read, const ListQuery& query);
absl::StatusOr<ErrorGroups> GroupErrors(const ReadAccess& read, const ErrorGroupQuery& query,
                                        const GoOn& go_on);

}  // namespace tracker::store::postgres
