// One page of tasks, by keyset: no page costs more for lying far back, and none looks at more than
// its scan_limit.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "src/domain/task.h"
#include "src/store/sqlite/database.h"
#include "src/store/store.h"

namespace tracker::store::sqlite {

// How long a bounded scan may take: as long as PostgreSQL lets a statement run.
inline constexpr absl::Duration kReadPatience = absl::Seconds(30);

// An SQL condition for the statuses; empty: all.
std::string StatusFilter(const std::vector<domain::Status>& statuses);

// As Store::List, but for Page::now.
absl::StatusOr<Page> ReadPage(Connection& connection, const ListQuery& query);

}  // namespace tracker::store::sqlite
