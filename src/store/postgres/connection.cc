#include "src/store/postgres/connection.h"

#include <pqxx/pqxx>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "src/store/postgres/latest_history.h"
#include "src/store/postgres/silence_watch.h"
#include "src/store/trouble.h"

#if !defined(PQXX_VERSION_MAJOR)
#error "libpqxx does not tell its version"
#endif

namespace tracker::store::postgres {
namespace {

// What libpqxx 6 and 7 do differently.
#if PQXX_VERSION_MAJOR >= 7
void ForbidSilentReconnect(pqxx::connection&) {}
constexpr auto kTerse = pqxx::error_verbosity::terse;
#else
constexpr auto kTerse = pqxx::connection::terse;
// Version 6 reconnects by itself and sends again, which would run half a transaction outside of it.
void ForbidSilentReconnect(pqxx::connection& connection) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  connection.inhibit_reactivation(true);
#pragma GCC diagnostic pop
}
#endif

// Details, context and the statement itself would show the values of rows, locks among them.
void BeTerse(pqxx::connection& connection) { connection.set_verbosity(kTerse); }

// The plans that every statement of this store wants, whatever the statistics say at the moment: by
// index, in the index's order. A table that was empty when a statement was planned would else be
// read whole for long. And durability, where the server's configuration gave it up.
constexpr char kDurable[] =
    "SELECT set_config('synchronous_commit', 'on', false)"
    " WHERE current_setting('synchronous_commit') = 'off'";
constexpr const char* kSession[] = {
    // Ids are UTF-8, whatever PGCLIENTENCODING says: else two servers could see one task as two.
    "SET client_encoding = 'UTF8'",
    "SET lock_timeout = '500ms'",
    kStatementTimeout,
    "SET idle_in_transaction_session_timeout = '60s'",
    "SET plan_cache_mode = force_generic_plan",
    "SET enable_seqscan = off",
    "SET enable_hashjoin = off",
    "SET enable_mergejoin = off",
    "SET enable_bitmapscan = off",
    "SET jit = off",
    "SET default_transaction_isolation = 'read committed'",
    "SET client_min_messages = error",
    kDurable,
};

constexpr char kShortWait[] = "SET LOCAL lock_timeout = '50ms'; ";
static_assert(kShortLockTimeout == absl::Milliseconds(50), "kShortWait says the same");

absl::StatusCode CodeOfSqlState(absl::string_view state) {
  const auto is_class = [&](absl::string_view prefix) { return absl::StartsWith(state, prefix); };
  if (state == "40001" || state == "40P01") return absl::StatusCode::kAborted;
  if (state == "55P03") return absl::StatusCode::kResourceExhausted;
  if (state == "57014") return absl::StatusCode::kDeadlineExceeded;
  // One row, or one page, is damaged: not all that came with it.
  if (state == "XX001" || state == "XX002") return absl::StatusCode::kDataLoss;
  // Going away or not there yet, out of connections, disk or memory, I/O errors, a standby: it may
  // pass.
  if (is_class("57") || is_class("08") || is_class("53") || is_class("58") || is_class("XX") ||
      state == "25006") {
    return absl::StatusCode::kUnavailable;
  }
  if (is_class("22") || is_class("54") || is_class("23") || is_class("21"))
    return absl::StatusCode::kInvalidArgument;
  return absl::StatusCode::kFailedPrecondition;
}

// What the store sees to by itself, and is no trouble: conflicts, and two that insert one row.
StoreEvent::Level LevelOf(absl::StatusCode code, absl::string_view state) {
  const bool routine = code == absl::StatusCode::kAborted || state == "23505";
  return routine ? StoreEvent::Level::kDebug : StoreEvent::Level::kWarn;
}

}  // namespace

struct Rows::Data {
  pqxx::result result;
};

int Rows::size() const { return static_cast<int>(data_->result.size()); }

bool Rows::IsNull(int row, int column) const { return data_->result[row][column].is_null(); }

absl::string_view Rows::Text(int row, int column) const {
  const auto field = data_->result[row][column];
  return absl::string_view(field.c_str(), field.size());
}

int64_t Rows::Int(int row, int column) const {
  int64_t value = 0;
  (void)absl::SimpleAtoi(Text(row, column), &value);
  return value;
}

struct Connection::Impl {
  Impl(const ConnectionSettings& from, const std::string& server)
      : settings(from),
        connection(server),
        watched(settings.silence_watch.get(), connection.sock()),
        session(connection) {}

  // Tells of the error, and answers it as a status.
  absl::Status Trouble(absl::StatusCode code, const std::string& state, absl::string_view what) {
    const std::string text = WithoutSecrets(settings, OneLine(what));
    if (settings.on_event) {
      settings.on_event(
          {.level = LevelOf(code, state), .name = "database_error", .code = state, .text = text});
    }
    return DatabaseError(code, kSeeLog, text);
  }

  // "EXECUTE name(value, ...)": a prepared statement as text, so that several travel at once.
  std::string ExecuteSql(const StatementCall& call) {
    std::string sql =
        absl::StrCat(call.statement.by_place ? "SET LOCAL enable_indexscan = off; " : "",
                     call.statement.short_wait ? kShortWait : "", "EXECUTE ", call.statement.name);
    for (size_t i = 0; i < call.values.size(); ++i) {
      absl::StrAppend(&sql, i == 0 ? "(" : ",", connection.quote(call.values[i]));
    }
    if (!call.values.empty()) sql += ')';
    if (call.statement.by_place) sql += "; SET LOCAL enable_indexscan = on";
    return sql;
  }

  const ConnectionSettings settings;
  pqxx::connection connection;
  SilenceWatch::Watched watched;
  // Sends what it is given as it is: the transactions are written out, to save round trips.
  pqxx::nontransaction session;
  // By the address of the static Statement.
  absl::flat_hash_set<const Statement*> prepared;
};

Connection::Connection(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Connection::~Connection() { Rollback(); }

// Runs the body, which uses libpqxx, and turns what it throws into a status. The order of the
// handlers matters: in version 6 the first three are not sql_errors, in version 7 they are.
template <typename Body>
auto Connection::Guard(const Body& body) -> decltype(body()) {
  const auto trouble = [this](absl::StatusCode code, const std::exception& e,
                              const std::string& state = "") {
    return impl_->Trouble(code, state, e.what());
  };
  absl::Status status;
  try {
    return body();
  } catch (const pqxx::in_doubt_error& e) {
    status = trouble(absl::StatusCode::kUnknown, e);
  } catch (const pqxx::statement_completion_unknown& e) {
    status = trouble(absl::StatusCode::kUnknown, e);
  } catch (const pqxx::serialization_failure& e) {
    status = trouble(absl::StatusCode::kAborted, e);
  } catch (const pqxx::deadlock_detected& e) {
    status = trouble(absl::StatusCode::kAborted, e);
  } catch (const pqxx::broken_connection& e) {
    status = trouble(absl::StatusCode::kUnavailable, e);
  } catch (const pqxx::sql_error& e) {
    status = trouble(CodeOfSqlState(e.sqlstate()), e, e.sqlstate());
  } catch (const std::exception& e) {
    status = trouble(absl::StatusCode::kUnavailable, e);
  }
  if (absl::IsUnavailable(status) || absl::IsUnknown(status) || !impl_->connection.is_open()) {
    usable_ = false;
    if (!absl::IsUnknown(status)) {
      status = DatabaseError(absl::StatusCode::kUnavailable, kSeeLog, DatabaseText(status));
    }
  }
  return status;
}

absl::StatusOr<std::unique_ptr<Connection>> Connection::Open(const ConnectionSettings& settings) {
  std::string text;
  for (const std::string& server : settings.servers) {
    absl::StatusOr<std::unique_ptr<Connection>> connection = OpenOne(settings, server);
    if (connection.ok()) return connection;
    absl::StrAppend(&text, text.empty() ? "" : "; ", DatabaseText(connection.status()));
  }
  if (settings.on_event) settings.on_event({.name = "database_unreachable", .text = text});
  return DatabaseError(absl::StatusCode::kUnavailable, kSeeLog, text);
}

absl::StatusOr<std::unique_ptr<Connection>> Connection::OpenOne(const ConnectionSettings& settings,
                                                                const std::string& server) {
  const auto failed = [&](absl::string_view text) {
    return DatabaseError(absl::StatusCode::kUnavailable, kSeeLog,
                         WithoutSecrets(settings, OneLine(text)));
  };
  try {
    auto impl = std::make_unique<Impl>(settings, server);
    for (const char* sql : kSession) {
      const SilenceWatch::Watched::Statement statement(&impl->watched);
      impl->session.exec(sql);
    }
    BeTerse(impl->connection);
    ForbidSilentReconnect(impl->connection);
    std::unique_ptr<Connection> connection(new Connection(std::move(impl)));
    connection->Identify();
    LatestHistory* const latest = settings.latest_history.get();
    if (latest == nullptr || latest->Admit(connection->history())) return connection;
    const std::string text = absl::StrCat(
        "the server is at ", connection->history(), " (system/timeline), and another one is at ",
        latest->Get(), ": this is an old primary, which must be stopped or fenced");
    if (settings.on_event) settings.on_event({.name = "database_superseded", .text = text});
    return failed(text);
  } catch (const std::exception& e) {
    return failed(e.what());
  }
}

// What the server's process writes to tells the timeline; the control file's may be an older one.
// A crash goes on on the same timeline, with numbers of transactions that were given before; so the
// run of the server (migration 0005) belongs to its history.
void Connection::Identify() {
  // Once the connection is lost libpqxx does not know it any more.
  process_id_ = impl_->connection.backendpid();
  constexpr char kHistory[] =
      "SELECT system_identifier || '/' || left(pg_walfile_name(pg_current_wal_lsn()), 8) || '/' ||"
      " name FROM pg_control_system(), tracker.server_run WHERE NOT pg_is_in_recovery()";
  constexpr char kFirst[] =
      "INSERT INTO tracker.server_run (name) VALUES (gen_random_uuid()) ON CONFLICT DO NOTHING";
  // Before the schema is made there is nothing to be told of.
  absl::StatusOr<Rows> known = ExecuteText(
      "SELECT to_regclass('tracker.server_run') IS NOT NULL AND NOT pg_is_in_recovery()");
  if (!known.ok() || known->Text(0, 0) != "t") return;
  absl::StatusOr<Rows> rows = ExecuteText(kHistory);
  if (rows.ok() && rows->size() == 0 && ExecuteText(kFirst).ok()) rows = ExecuteText(kHistory);
  if (rows.ok() && rows->size() == 1) history_ = std::string(rows->Text(0, 0));
}

absl::StatusOr<Rows> Connection::ExecuteText(const std::string& sql) {
  return Guard([&]() -> absl::StatusOr<Rows> {
    const SilenceWatch::Watched::Statement statement(&impl_->watched);
    return Rows(std::make_shared<Rows::Data>(Rows::Data{impl_->session.exec(sql)}));
  });
}

absl::Status Connection::Prepare(const Statement& statement) {
  if (impl_->prepared.contains(&statement)) return absl::OkStatus();
  absl::Status status =
      ExecuteText(absl::StrCat("PREPARE ", statement.name, " AS ", statement.sql)).status();
  if (status.ok()) impl_->prepared.insert(&statement);
  return status;
}

absl::Status Connection::Begin() {
  in_transaction_ = true;
  return ExecuteText("BEGIN").status();
}

absl::StatusOr<Rows> Connection::Begin(const StatementCall& first) {
  if (absl::Status status = Prepare(first.statement); !status.ok()) return status;
  in_transaction_ = true;
  return ExecuteText(absl::StrCat("BEGIN; ", impl_->ExecuteSql(first)));
}

absl::StatusOr<Rows> Connection::Execute(const StatementCall& call) {
  if (absl::Status status = Prepare(call.statement); !status.ok()) return status;
  return ExecuteText(impl_->ExecuteSql(call));
}

absl::Status Connection::Commit(const std::vector<StatementCall>& last) {
  std::string sql;
  for (const StatementCall& call : last) {
    if (absl::Status status = Prepare(call.statement); !status.ok()) return status;
    absl::StrAppend(&sql, impl_->ExecuteSql(call), "; ");
  }
  absl::Status status = ExecuteText(absl::StrCat(sql, "COMMIT")).status();
  if (status.ok()) {
    in_transaction_ = false;
    return status;
  }
  // Also when the server answers with an error of its own: it may have committed (57P0x, 08xxx,
  // XX000).
  if (absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status)) {
    return absl::UnknownError(status.message());
  }
  return status;
}

void Connection::Cancel() {
  try {
    impl_->connection.cancel_query();
  } catch (const std::exception&) {
    // A server that cannot be told ends the statement by its own time limit.
  }
}

void Connection::Rollback() {
  if (!in_transaction_) return;
  in_transaction_ = false;
  if (usable_) (void)ExecuteText("ROLLBACK");
}

}  // namespace tracker::store::postgres
