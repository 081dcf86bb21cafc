#include "src/store/sqlite/database.h"

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "src/store/trouble.h"

namespace tracker::store::sqlite {
namespace {

// How long a statement waits for another's transaction, which is a commit of a lane; longer than
// any of these, and shorter than a caller's patience.
constexpr absl::Duration kBusyPatience = absl::Seconds(5);
// How often it looks meanwhile. SQLite's own handler waits up to 100 ms at a time, and would starve
// beside a store that commits without a pause.
constexpr absl::Duration kBusyPoll = absl::Microseconds(500);
// How many of SQLite's virtual machine's instructions, each far below a microsecond, run between
// two looks at the clock.
constexpr int kStepsBetweenLooks = 1000;
// How often a caller that may have gone is looked for meanwhile.
constexpr absl::Duration kLook = absl::Milliseconds(50);

// `tries`: how often this wait has asked before. Nonzero: look again.
int WaitWhileBusy(void*, int tries) {
  if (tries >= kBusyPatience / kBusyPoll) return 0;
  absl::SleepFor(kBusyPoll);
  return 1;
}

absl::Status Sentence(int code) {
  switch (code & 0xFF) {
    case SQLITE_TOOBIG:
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
      return absl::InvalidArgumentError(
          absl::StrCat("the database refused the task's values: ", kSeeLog));
    case SQLITE_NOTADB:
      return absl::FailedPreconditionError("it is no SQLite database; name another file");
    case SQLITE_INTERRUPT:
      return absl::DeadlineExceededError("the database takes too long over this; narrow it");
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return absl::UnavailableError("another program holds the database; this may be repeated");
    default:
      return absl::UnavailableError(absl::StrCat("the database cannot be used now: ", kSeeLog));
  }
}

absl::Status Tell(const OnEvent& on_event, const absl::Status& sentence, int code,
                  absl::string_view text) {
  if (on_event) {
    on_event({.name = "database_error", .code = absl::StrCat(code), .text = OneLine(text)});
  }
  return DatabaseError(sentence.code(), sentence.message(), text);
}

// SQLite's messages name tables and columns, but have no values.
absl::Status ToStatus(int code, sqlite3* handle, const OnEvent& on_event) {
  const absl::Status sentence = Sentence(code);
  const std::string text =
      absl::StrCat("SQLite: ", handle != nullptr ? sqlite3_errmsg(handle) : sqlite3_errstr(code));
  // Of a file that is none of ours the sentence says all that matters.
  const bool foreign = (code & 0xFF) == SQLITE_NOTADB;
  return Tell(on_event, sentence, code, foreign ? sentence.message() : text);
}

}  // namespace

Statement::~Statement() {
  if (statement_ == nullptr) return;
  if (cached_) {
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
  } else {
    sqlite3_finalize(statement_);
  }
}

Statement& Statement::Bind(int64_t value) {
  const int result = sqlite3_bind_int64(statement_, ++bound_, value);
  if (bind_result_ == SQLITE_OK) bind_result_ = result;
  return *this;
}

Statement& Statement::Bind(absl::string_view text) {
  // A null pointer would bind NULL.
  const char* bytes = text.data() != nullptr ? text.data() : "";
  const int result =
      sqlite3_bind_text64(statement_, ++bound_, bytes, text.size(), SQLITE_STATIC, SQLITE_UTF8);
  if (bind_result_ == SQLITE_OK) bind_result_ = result;
  return *this;
}

Statement& Statement::Reuse() {
  sqlite3_reset(statement_);
  bound_ = 0;
  bind_result_ = SQLITE_OK;
  return *this;
}

absl::StatusOr<bool> Statement::Step() {
  const int result = bind_result_ == SQLITE_OK ? sqlite3_step(statement_) : bind_result_;
  if (result == SQLITE_ROW) return true;
  if (result == SQLITE_DONE) return false;
  return ToStatus(result, sqlite3_db_handle(statement_), *on_event_);
}

absl::Status Statement::Run() {
  while (true) {
    absl::StatusOr<bool> row = Step();
    if (!row.ok()) return row.status();
    if (!*row) return absl::OkStatus();
  }
}

std::string Statement::Text(int column) const {
  const void* bytes = sqlite3_column_blob(statement_, column);
  if (bytes == nullptr) return "";
  return std::string(static_cast<const char*>(bytes), sqlite3_column_bytes(statement_, column));
}

absl::StatusOr<std::unique_ptr<Connection>> Connection::Open(const std::string& path, bool create) {
  sqlite3* handle = nullptr;
  // NOMUTEX: a connection belongs to one thread at a time already.
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (create ? SQLITE_OPEN_CREATE : 0);
  const int result = sqlite3_open_v2(path.c_str(), &handle, flags, nullptr);
  if (result != SQLITE_OK) {
    const absl::Status status = ToStatus(result, handle, nullptr);
    sqlite3_close(handle);
    return status;
  }
  std::unique_ptr<Connection> connection(new Connection(handle));
  sqlite3_extended_result_codes(handle, 1);
  sqlite3_busy_handler(handle, WaitWhileBusy, nullptr);
  return connection;
}

Connection::~Connection() {
  for (auto& [sql, statement] : statements_) sqlite3_finalize(statement);
  sqlite3_close(handle_);
}

absl::StatusOr<sqlite3_stmt*> Connection::Compile(absl::string_view sql, unsigned flags) {
  sqlite3_stmt* statement = nullptr;
  const int result = sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()), flags,
                                        &statement, nullptr);
  if (result != SQLITE_OK) return ToStatus(result, handle_, on_event_);
  return statement;
}

absl::StatusOr<Statement> Connection::Prepare(absl::string_view sql) {
  const auto cached = statements_.find(sql);
  if (cached != statements_.end()) return Statement(cached->second, /*cached=*/true, &on_event_);
  absl::StatusOr<sqlite3_stmt*> statement = Compile(sql, SQLITE_PREPARE_PERSISTENT);
  if (!statement.ok()) return statement.status();
  statements_.emplace(std::string(sql), *statement);
  return Statement(*statement, /*cached=*/true, &on_event_);
}

absl::StatusOr<Statement> Connection::PrepareOnce(absl::string_view sql) {
  absl::StatusOr<sqlite3_stmt*> statement = Compile(sql, 0);
  if (!statement.ok()) return statement.status();
  return Statement(*statement, /*cached=*/false, &on_event_);
}

absl::Status Connection::Execute(const std::string& sql) {
  const int result = sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr);
  return result == SQLITE_OK ? absl::OkStatus() : ToStatus(result, handle_, on_event_);
}

absl::StatusOr<std::string> Connection::QueryText(absl::string_view sql) {
  absl::StatusOr<Statement> statement = PrepareOnce(sql);
  if (!statement.ok()) return statement.status();
  absl::StatusOr<bool> row = statement->Step();
  if (!row.ok()) return row.status();
  return *row ? statement->Text(0) : "";
}

absl::StatusOr<int64_t> Connection::QueryInt(absl::string_view sql) {
  absl::StatusOr<Statement> statement = PrepareOnce(sql);
  if (!statement.ok()) return statement.status();
  absl::StatusOr<bool> row = statement->Step();
  if (!row.ok()) return row.status();
  return *row ? statement->Int(0) : 0;
}

absl::Status Connection::CheckInPlace() {
  int moved = 0;
  const int result = sqlite3_file_control(handle_, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
  if (result == SQLITE_OK && moved != 0) {
    constexpr absl::string_view kMoved = "the database's file was moved or deleted";
    return Tell(on_event_, absl::UnavailableError(kMoved), SQLITE_CANTOPEN, kMoved);
  }
  return absl::OkStatus();
}

Deadline::Deadline(Connection& connection, absl::Duration limit, GoOn go_on)
    : connection_(connection),
      end_(base::MonotonicNow() + limit),
      go_on_(std::move(go_on)),
      next_look_(base::MonotonicNow() + kLook) {
  sqlite3_progress_handler(
      connection_.handle_, kStepsBetweenLooks,
      [](void* self) { return static_cast<Deadline*>(self)->IsOver() ? 1 : 0; }, this);
}

bool Deadline::IsOver() const {
  const base::MonotonicTime now = base::MonotonicNow();
  if (now >= end_) return true;
  if (!go_on_ || now < next_look_) return false;
  next_look_ = now + kLook;
  return !go_on_().ok();
}

absl::Status WhyEnded(const absl::Status& status, const GoOn& go_on) {
  if (!absl::IsDeadlineExceeded(status) || !go_on) return status;
  absl::Status ended = go_on();
  return ended.ok() ? status : ended;
}

Deadline::~Deadline() { sqlite3_progress_handler(connection_.handle_, 0, nullptr, nullptr); }

absl::StatusOr<Transaction> Transaction::BeginImmediate(Connection& connection) {
  return Begin(connection, "BEGIN IMMEDIATE");
}

absl::StatusOr<Transaction> Transaction::BeginRead(Connection& connection) {
  return Begin(connection, "BEGIN");
}

absl::StatusOr<Transaction> Transaction::Begin(Connection& connection, absl::string_view sql) {
  absl::StatusOr<Statement> begin = connection.Prepare(sql);
  if (!begin.ok()) return begin.status();
  if (absl::Status status = begin->Run(); !status.ok()) return status;
  return Transaction(connection);
}

Transaction::~Transaction() {
  // Some errors have rolled back already.
  if (connection_ != nullptr && connection_->in_transaction()) {
    connection_->Execute("ROLLBACK").IgnoreError();
  }
}

absl::Status Transaction::Commit() {
  absl::StatusOr<Statement> commit = connection_->Prepare("COMMIT");
  if (!commit.ok()) return commit.status();
  const absl::Status status = commit->Run();
  if (status.ok()) connection_ = nullptr;
  return status;
}

}  // namespace tracker::store::sqlite
