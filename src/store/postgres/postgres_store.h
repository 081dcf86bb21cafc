// The store over PostgreSQL, for any number of trackerds on one database.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "src/store/store.h"

namespace tracker::store {

// Whether the text means a PostgreSQL: "postgresql://user@host/db", or libpq's "host=...
// dbname=...".
bool IsPostgres(const std::string& url);

// As WithoutPassword (store.h), for what IsPostgres.
std::string PostgresWithoutPassword(const std::string& url);

// Errors as for Open (store.h).
absl::StatusOr<std::unique_ptr<Store>> OpenPostgres(const std::string& url,
                                                    const OpenOptions& options);

}  // namespace tracker::store
