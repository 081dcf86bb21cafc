// Opens the file of a store, or says in one line why not and what to do.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "src/store/sqlite/database.h"

namespace tracker::store::sqlite {

// `connections` connections (at least one) to a database with the newest schema. Errors as for Open
// (store.h).
absl::StatusOr<std::vector<std::unique_ptr<Connection>>> OpenFile(const std::string& path,
                                                                  bool migrate, int connections);

}  // namespace tracker::store::sqlite
