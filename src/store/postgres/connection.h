// One connection to PostgreSQL. The only place that touches libpqxx, so that its exceptions and
// what differs between its versions 6 and 7 stay here. Not thread-safe: one thread at a time.
//
// Each error of the database is told to the settings' on_event as it happens, and answered as a
// DatabaseError (src/store/trouble.h), whose message has none of the database's words.
//
// Errors of all methods, by status code:
//   Aborted            serialization failure or deadlock: run the transaction again (40001, 40P01)
//   ResourceExhausted  a lock was not had within lock_timeout (55P03)
//   DeadlineExceeded   the statement was cancelled, by statement_timeout or a person (57014)
//   Unavailable        the connection is gone or the server is going away; nothing was committed
//   Unknown            the connection was lost during COMMIT; it may have been committed
//   DataLoss           what is stored cannot be read (XX001, XX002): some row is damaged
//   InvalidArgument    the statement's values were refused (classes 22, 23, 54, 21000): some row of
//   it is the culprit FailedPrecondition there is something wrong with the database: a missing
//   table, no permission, ...
// After Unavailable or Unknown the connection is of no further use.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "src/store/postgres/connection_settings.h"

namespace tracker::store::postgres {

// A result: rows of text fields, in memory.
class Rows {
 public:
  struct Data;
  explicit Rows(std::shared_ptr<const Data> data) : data_(std::move(data)) {}

  int size() const;
  bool IsNull(int row, int column) const;
  // Empty for NULL.
  absl::string_view Text(int row, int column) const;
  // 0 for NULL; the columns asked so are integers.
  int64_t Int(int row, int column) const;

 private:
  std::shared_ptr<const Data> data_;
};

// A statement that each connection prepares at its first use. Must be static.
struct Statement {
  const char* name;
  const char* sql;
  // Finds its rows by their place (ctid), and is planned so whatever the statistics say. Only
  // within a transaction.
  bool by_place = false;
  // Waits for locks only for kShortLockTimeout, as does the rest of its transaction from there on.
  bool short_wait = false;
};

// How long a statement waits for a lock, by default and where it is to be short: longer than any
// commit takes, and longer than most of them.
inline constexpr absl::Duration kLockTimeout = absl::Milliseconds(500);
inline constexpr absl::Duration kShortLockTimeout = absl::Milliseconds(50);

// A statement with its values. Values go as text; NULs in them must have been refused before.
struct StatementCall {
  const Statement& statement;
  std::vector<std::string> values;
};

// The time limit of each statement, as a session sets it: no user waits for longer, and upkeep
// comes again.
inline constexpr char kStatementTimeout[] = "SET statement_timeout = '30s'";

class Connection {
 public:
  // To the first of the servers that can be used.
  static absl::StatusOr<std::unique_ptr<Connection>> Open(const ConnectionSettings& settings);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Begins a transaction, which is rolled back unless Commit is called. With `first`, one round
  // trip brings its rows, too.
  absl::Status Begin();
  absl::StatusOr<Rows> Begin(const StatementCall& first);
  // One statement: within the transaction, or by itself where none is begun, which is for reads.
  absl::StatusOr<Rows> Execute(const StatementCall& call);
  absl::StatusOr<Rows> ExecuteText(const std::string& sql);
  // The last statements of a transaction and its COMMIT, in one round trip. Unknown: from here on
  // any loss of the connection leaves open whether it was committed.
  absl::Status Commit(const std::vector<StatementCall>& last = {});
  void Rollback();

  // Has the server end the statement that runs, if there is one, with DeadlineExceeded. May be
  // called from another thread while this one waits for it.
  void Cancel();
  // The connection is closed instead of used again.
  void Abandon() { usable_ = false; }

  // Whether the server may still be there.
  bool usable() const { return usable_; }

  // Which history of which database cluster the connection leads to: its system identifier, its
  // timeline, and its run since the last crash; so another one after a failover, a restore or a
  // crash. Within one of them a number is given to one transaction only. Empty: the server does not
  // tell.
  const std::string& history() const { return history_; }
  // The server's process that serves this connection.
  int process_id() const { return process_id_; }

 private:
  struct Impl;
  explicit Connection(std::unique_ptr<Impl> impl);
  static absl::StatusOr<std::unique_ptr<Connection>> OpenOne(const ConnectionSettings& settings,
                                                             const std::string& server);

  template <typename Body>
  auto Guard(const Body& body) -> decltype(body());
  absl::Status Prepare(const Statement& statement);
  void Identify();

  std::unique_ptr<Impl> impl_;
  bool in_transaction_ = false;
  bool usable_ = true;
  std::string history_;
  int process_id_ = 0;
};

}  // namespace tracker::store::postgres
