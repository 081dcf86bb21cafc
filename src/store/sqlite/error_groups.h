// Tasks with errors, grouped by what went wrong.
#pragma once

#include "absl/status/statusor.h"
#include "src/store/sqlite/database.h"
#include "src/store/store.h"

namespace tracker::store::sqlite {

// As Store::GroupErrors: looks at the tasks made last.
absl::StatusOr<ErrorGroups> GroupErrors(Connection& connection, const ErrorGroupQuery& query,
                                        const GoOn& go_on);

}  // namespace tracker::store::sqlite
