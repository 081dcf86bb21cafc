// The store over PostgreSQL, for any number of trackerds on one database.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "src/store/store.h"

namespace tracker::store {

// `url` as libpq takes it: "postgresql://user@host/db". Errors as for Open (store.h).
absl::StatusOr<std::unique_ptr<Store>> OpenPostgres(const std::string& url,
                                                    const OpenOptions& options);

}  // namespace tracker::store
