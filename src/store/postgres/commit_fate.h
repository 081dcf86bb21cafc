// What became of a transaction whose COMMIT was sent, and whose answer was lost with the
// connection. PostgreSQL knows: it keeps the outcome of every transaction by its number (manual,
// section 9.27.3, pg_xact_status). Running the commands once more would not do: others may have
// gone on from where they led, and would lose what they were told.
//
// On a cluster whose transactions run on other nodes (more than one bucket) the number says
// nothing. Nor does it on a server that has taken the lost one's place, or has crashed meanwhile:
// it gives numbers that left no trace in its log to new transactions. Then the fate is unknown.
#pragma once

#include <string>

#include "src/store/postgres/connection_pool.h"

namespace tracker::store::postgres {

enum class CommitFate { kCommitted, kAborted, kUnknown };

// Where a transaction ran, and as which.
struct TransactionName {
  // As pg_xact_status takes it.
  std::string transaction;
  // Connection::history and Connection::process_id.
  std::string history;
  int process_id = 0;
};

// Connects until the server answers, for some seconds. A server process that still waits in that
// transaction, as it has not heard of the connection's end, is ended.
CommitFate FateOf(ConnectionPool& pool, const TransactionName& name);

}  // namespace tracker::store::postgres
