// SQLite's C interface as values that clean up after themselves. The only place, with its .cc, that
// calls SQLite. Thread-compatible: a connection and what comes from it belong to one thread at a
// time.
//
// Errors: InvalidArgument when the row is at fault (too big, a constraint), DeadlineExceeded past a
// Deadline; everything else, from a locked database to a failing disk, is Unavailable, as the same
// may succeed later. Each is told to the connection's OnEvent as it happens, and answered as a
// DatabaseError (src/store/trouble.h), whose message has none of SQLite's words.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "src/base/monotonic.h"
#include "src/store/store.h"

namespace tracker::store::sqlite {

// As OpenOptions::on_event.
using OnEvent = std::function<void(const StoreEvent&)>;

// A prepared statement in use. Parameters are bound in their order; texts must outlive it. Ready
// for its next user when it goes out of scope.
class Statement {
 public:
  // `on_event` outlives it.
  Statement(sqlite3_stmt* statement, bool cached, const OnEvent* on_event)
      : statement_(statement), cached_(cached), on_event_(on_event) {}
  Statement(Statement&& other) noexcept
      : statement_(std::exchange(other.statement_, nullptr)),
        cached_(other.cached_),
        on_event_(other.on_event_),
        bound_(other.bound_),
        bind_result_(other.bind_result_) {}
  Statement& operator=(Statement&&) = delete;
  ~Statement();

  Statement& Bind(int64_t value);
  Statement& Bind(absl::string_view text);

  // Ready to be bound and stepped from the start again.
  Statement& Reuse();

  // Whether there is a row, whose columns can be read until the next call.
  absl::StatusOr<bool> Step();
  // To the end.
  absl::Status Run();

  int64_t Int(int column) const { return sqlite3_column_int64(statement_, column); }
  // Byte for byte.
  std::string Text(int column) const;

 private:
  sqlite3_stmt* statement_;
  bool cached_;
  const OnEvent* on_event_;
  int bound_ = 0;
  int bind_result_ = SQLITE_OK;
};

class Connection {
 public:
  // `create`: make the file where there is none.
  static absl::StatusOr<std::unique_ptr<Connection>> Open(const std::string& path, bool create);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Kept prepared for the next time. One use of the same text at a time.
  absl::StatusOr<Statement> Prepare(absl::string_view sql);
  // For texts of which there are many.
  absl::StatusOr<Statement> PrepareOnce(absl::string_view sql);
  // Any number of statements, without answers.
  absl::Status Execute(const std::string& sql);
  // The first column of the first row.
  absl::StatusOr<std::string> QueryText(absl::string_view sql);
  absl::StatusOr<int64_t> QueryInt(absl::string_view sql);

  bool in_transaction() const { return sqlite3_get_autocommit(handle_) == 0; }
  // Who is told of errors from now on.
  void TellTo(OnEvent on_event) { on_event_ = std::move(on_event); }

  // Unavailable when the file was moved or deleted: what is written then would be lost.
  absl::Status CheckInPlace();

 private:
  friend class Deadline;
  explicit Connection(sqlite3* handle) : handle_(handle) {}
  absl::StatusOr<sqlite3_stmt*> Compile(absl::string_view sql, unsigned flags);

  sqlite3* const handle_;
  OnEvent on_event_;
  absl::flat_hash_map<std::string, sqlite3_stmt*> statements_;
};

// While it lives, the connection's statements end with DeadlineExceeded once `limit` has passed, or
// `go_on`, if there is one, has said to end.
class Deadline {
 public:
  Deadline(Connection& connection, absl::Duration limit, GoOn go_on = nullptr);
  ~Deadline();
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

 private:
  bool IsOver() const;

  Connection& connection_;
  const base::MonotonicTime end_;
  const GoOn go_on_;
  mutable base::MonotonicTime next_look_;
};

// What a statement under a Deadline has answered: where it was `go_on` that ended it, why.
absl::Status WhyEnded(const absl::Status& status, const GoOn& go_on);

// Rolls back unless committed.
class Transaction {
 public:
  // Takes the database's one write lock.
  static absl::StatusOr<Transaction> BeginImmediate(Connection& connection);
  // Sees one moment of the database, and writes nothing.
  static absl::StatusOr<Transaction> BeginRead(Connection& connection);
  Transaction(Transaction&& other) noexcept
      : connection_(std::exchange(other.connection_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();

  // When it fails, nothing is known: the changes may be there or not.
  absl::Status Commit();

 private:
  static absl::StatusOr<Transaction> Begin(Connection& connection, absl::string_view sql);
  explicit Transaction(Connection& connection) : connection_(&connection) {}
  // Null: over.
  Connection* connection_;
};

}  // namespace tracker::store::sqlite
