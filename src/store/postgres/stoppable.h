// Statements that may take long, and end when nobody waits for them any more.
#pragma once

#include "absl/status/statusor.h"
#include "src/store/postgres/connection.h"
#include "src/store/store.h"

namespace tracker::store::postgres {

// As Connection::Execute, but the statement is cancelled once `go_on` says to end; then that is
// answered, and the connection is of no further use. While the statement runs, `go_on` is asked on
// another thread.
absl::StatusOr<Rows> ExecuteStoppable(Connection& connection, const StatementCall& call,
                                      const GoOn& go_on);
absl::StatusOr<Rows> ExecuteTextStoppable(Connection& connection, const std::string& sql,
                                          const GoOn& go_on);

}  // namespace tracker::store::postgres
