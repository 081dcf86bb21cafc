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
pqxx::result ExecutePrepared(pqxx::work& work, const char* name,
                             const std::vector<std::string>& values) {
  pqxx::params params;
  for (const std::string& value : values) params.append(value);
  return work.exec_prepared(name, params);
}
void ForbidSilentReconnect(pqxx::connection&) {}
#else
pqxx::result ExecutePrepared(pqxx::work& work, const char* name,
                             const std::vector<std::string>& values) {
  return work.exec_prepared(name, pqxx::prepare::make_dynamic_params(values));
}
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
  for (const auto& [name, value] : kDefaults) {
    if (absl::StrContains(url, absl::StrCat(name, "="))) continue;
    absl::StrAppend(&url, absl::StrContains(url, "?") ? "&" : "?", name, "=", value);
  }
  return url;
}

// The plans that every statement of this store wants, whatever the statistics say at the moment: by
// index, in the index's order. A table that was empty when a statement was planned would else be
// read whole for long. And durability, where the server's configuration gave it up.
constexpr const char* kSession[] = {
    "SET lock_timeout = '500ms'",
    "SET statement_timeout = '30s'",
    "SET idle_in_transaction_session_timeout = '60s'",
    "SET plan_cache_mode = force_generic_plan",
    "SET enable_seqscan = off",
    "SET enable_hashjoin = off",
    "SET enable_mergejoin = off",
    "SET enable_bitmapscan = off",
    "SET jit = off",
    "SET default_transaction_isolation = 'read committed'",
    "SET client_min_messages = error",
    "SELECT set_config('synchronous_commit', 'on', false)"
    " WHERE current_setting('synchronous_commit') = 'off'",
};

absl::Status FromSqlState(absl::string_view state, absl::string_view what) {
  const std::string text =
      absl::StrCat(OneLine(what), state.empty() ? "" : " [", state, state.empty() ? "" : "]");
  const auto is_class = [&](absl::string_view prefix) { return absl::StartsWith(state, prefix); };
  if (state == "40001" || state == "40P01") return absl::AbortedError(text);
  if (state == "55P03") return absl::ResourceExhaustedError(text);
  // Going away or not there yet, out of connections, disk or memory, I/O errors, a standby, a
  // cancelled statement: it may pass.
  if (is_class("57") || is_class("08") || is_class("53") || is_class("58") || is_class("XX") ||
      state == "25006") {
    return absl::UnavailableError(text);
  }
  if (is_class("22") || is_class("23") || is_class("21")) return absl::InvalidArgumentError(text);
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
  explicit Impl(const std::string& url) : connection(url) {}

  pqxx::connection connection;
  std::unique_ptr<pqxx::work> work;
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
    {
      pqxx::nontransaction session(impl->connection);
      for (const char* sql : kSession) session.exec(sql);
    }
    ForbidSilentReconnect(impl->connection);
    return std::unique_ptr<Connection>(new Connection(std::move(impl)));
  } catch (const std::exception& e) {
    return absl::UnavailableError(OneLine(e.what()));
  }
}

absl::Status Connection::Begin() {
  return Guard([&]() -> absl::Status {
    impl_->work = std::make_unique<pqxx::work>(impl_->connection);
    return absl::OkStatus();
  });
}

absl::Status Connection::Commit() {
  absl::Status status = Guard([&]() -> absl::Status {
    impl_->work->commit();
    return absl::OkStatus();
  });
  // The server may answer COMMIT with an error of its own, and may have committed (57P0x, 08xxx,
  // XX000): not known either.
  if (absl::IsUnavailable(status)) status = absl::UnknownError(status.message());
  Rollback();
  return status;
}

void Connection::Rollback() {
  if (!impl_->work) return;
  (void)Guard([&]() -> absl::Status {
    impl_->work.reset();
    return absl::OkStatus();
  });
  impl_->work.reset();
}

absl::StatusOr<Rows> Connection::Execute(const Statement& statement,
                                         const std::vector<std::string>& values) {
  return Guard([&]() -> absl::StatusOr<Rows> {
    if (!impl_->prepared.contains(&statement)) {
      impl_->connection.prepare(statement.name, statement.sql);
      impl_->prepared.insert(&statement);
    }
    return Rows(std::make_shared<Rows::Data>(
        Rows::Data{ExecutePrepared(*impl_->work, statement.name, values)}));
  });
}

absl::StatusOr<Rows> Connection::ExecuteText(const std::string& sql) {
  return Guard([&]() -> absl::StatusOr<Rows> {
    return Rows(std::make_shared<Rows::Data>(Rows::Data{impl_->work->exec(sql)}));
  });
}

}  // namespace tracker::store::postgres
