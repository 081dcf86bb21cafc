// The embedded store: one SQLite file. Defaults that just work on one machine, for one trackerd or
// a few.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "src/store/store.h"

namespace tracker::store {

// `path` as in "sqlite:PATH". Makes the file where there is none. Errors as for Open (store.h).
absl::StatusOr<std::unique_ptr<Store>> OpenSqlite(const std::string& path,
                                                  const OpenOptions& options);

}  // namespace tracker::store
