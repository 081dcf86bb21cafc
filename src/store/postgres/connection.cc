#include "src/store/postgres/connection.h"

#include <pqxx/pqxx>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

#if !defined(PQXX_VERSION_MAJOR)
#error "libpqxx does not tell its version"
#endif

namespace tracker::store::postgres {
namespace {

// What libpqxx 6 and 7 do differently.
#if PQXX_VERSION_MAJOR >= 7
void ForbidSilentReconnect(pqxx::connection&) {}
#else
// Version 6 reconnects by itself and sends again, which would run half a transaction outside of it.
void ForbidSilentReconnect(pqxx::connection& connection) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  connection.inhibit_reactivation(true);
#pragma GCC diagnostic pop
}
#endif

std::string OneLine(absl::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  return absl::StrReplaceAll(text, {{"\n", " "}, {"\t", " "}});
}

// libpq's defaults wait for minutes, or for ever, on a network that is silent.
std::string WithTimeLimits(std::string url) {
  constexpr absl::string_view kDefaults[][2] = {
      {"connect_timeout", "5"},  {"keepalives_idle", "10"},     {"keepalives_interval", "5"},
      {"keepalives_count", "3"}, {"tcp_user_timeout", "20000"}, {"application_name", "trackerd"},
  };
  // A password may have a '?', too.
  const size_t at = url.find('@');
  const size_t host = at != std::string::npos && at < url.find('/', url.find("://") + 3) ? at : 0;
  for (const auto& [name, value] : kDefaults) {
    if (absl::StrContains(url, absl::StrCat(name, "="))) continue;
    absl::StrAppend(&url, url.find('?', host) == std::string::npos ? "?" : "&", name, "=", value);
  }
  return url;
}

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
static_assert(kLockTimeout == absl::Milliseconds(500) &&
                  kShortLockTimeout == absl::Milliseconds(50),
              "kSession and kShortWait say the same");

absl::Status FromSqlState(absl::string_view state, absl::string_view what) {
  const std::string text =
      absl::StrCat(OneLine(what), state.empty() ? "" : " [", state, state.empty() ? "" : "]");
  const auto is_class = [&](absl::string_view prefix) { return absl::StartsWith(state, prefix); };
  if (state == "40001" || state == "40P01") return absl::AbortedError(text);
  if (state == "55P03") return absl::ResourceExhaustedError(text);
  if (state == "57014") return absl::DeadlineExceededError(text);
  // One row, or one page, is damaged: not all that came with it.
  if (state == "XX001" || state == "XX002") return absl::DataLossError(text);
  // Going away or not there yet, out of connections, disk or memory, I/O errors, a standby: it may
  // pass.
  if (is_class("57") || is_class("08") || is_class("53") || is_class("58") || is_class("XX") ||
      state == "25006") {
    return absl::UnavailableError(text);
  }
  if (is_class("22") || is_class("54") || is_class("23") || is_class("21"))
    return absl::InvalidArgumentError(text);
  return absl::FailedPreconditionError(text);
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
  explicit Impl(const std::string& url) : connection(url), session(connection) {}

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

  pqxx::connection connection;
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
  absl::Status status;
  try {
    return body();
  } catch (const pqxx::in_doubt_error& e) {
    status = absl::UnknownError(OneLine(e.what()));
  } catch (const pqxx::statement_completion_unknown& e) {
    status = absl::UnknownError(OneLine(e.what()));
  } catch (const pqxx::serialization_failure& e) {
    status = absl::AbortedError(OneLine(e.what()));
  } catch (const pqxx::deadlock_detected& e) {
    status = absl::AbortedError(OneLine(e.what()));
  } catch (const pqxx::broken_connection& e) {
    status = absl::UnavailableError(OneLine(e.what()));
  } catch (const pqxx::sql_error& e) {
    status = FromSqlState(e.sqlstate(), e.what());
  } catch (const std::exception& e) {
    status = absl::UnavailableError(absl::StrCat("libpqxx: ", OneLine(e.what())));
  }
  if (absl::IsUnavailable(status) || absl::IsUnknown(status) || !impl_->connection.is_open()) {
    usable_ = false;
    if (!absl::IsUnknown(status)) status = absl::UnavailableError(status.message());
  }
  return status;
}

absl::StatusOr<std::unique_ptr<Connection>> Connection::Open(const std::string& url) {
  try {
    auto impl = std::make_unique<Impl>(WithTimeLimits(url));
    for (const char* sql : kSession) impl->session.exec(sql);
    ForbidSilentReconnect(impl->connection);
    std::unique_ptr<Connection> connection(new Connection(std::move(impl)));
    connection->Identify();
    return connection;
  } catch (const std::exception& e) {
    return absl::UnavailableError(OneLine(e.what()));
  }
}

// What the server's process writes to tells the timeline; the control file's may be an older one.
void Connection::Identify() {
  // Once the connection is lost libpqxx does not know it any more.
  process_id_ = impl_->connection.backendpid();
  const absl::StatusOr<Rows> rows = ExecuteText(
      "SELECT system_identifier || '/' || left(pg_walfile_name(pg_current_wal_lsn()), 8)"
      " FROM pg_control_system() WHERE NOT pg_is_in_recovery()");
  if (rows.ok() && rows->size() == 1) history_ = std::string(rows->Text(0, 0));
}

absl::StatusOr<Rows> Connection::ExecuteText(const std::string& sql) {
  return Guard([&]() -> absl::StatusOr<Rows> {
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
