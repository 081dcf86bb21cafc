// One page of tasks, by keyset: no page costs more for lying far back.
#pragma once

#include "absl/status/statusor.h"
#include "src/store/sqlite/database.h"
#include "src/store/store.h"

namespace tracker::store::sqlite {

// As Store::List, but for Page::now.
absl::StatusOr<Page> ReadPage(Connection& connection, const ListQuery& query);

}  // namespace tracker::store::sqlite
