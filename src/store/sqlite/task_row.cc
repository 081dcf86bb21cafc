#include "src/store/sqlite/task_row.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "src/domain/fingerprint.h"
#include "src/store/errors_json.h"

namespace tracker::store::sqlite {
namespace {

using domain::Task;

// The columns of kTaskColumns.
enum Column {
  kNamespace,
  kId,
  kStatus,
  kAttempts,
  kMaxAttempts,
  kPriority,
  kFence,
  kCreate,
  kUpdate,
  kAvailable,
  kWorker,
  kLock,
  kLockTime,
  kLockExpire,
  kLease,
  kAlarm,
  kSpentLocks,
  kData,
  kErrors,
  kRowId,
};

absl::Time ReadTime(const Statement& row, int column) {
  return absl::FromUnixMicros(row.Int(column));
}

// The columns that Insert and Update have in common, in their order, without the documents.
void BindChanging(Statement& statement, const Task& task, const std::string& spent_locks) {
  statement.Bind(static_cast<int64_t>(task.status))
      .Bind(int64_t{task.attempts})
      .Bind(int64_t{task.max_attempts})
      .Bind(int64_t{task.priority})
      .Bind(task.fence)
      .Bind(absl::ToUnixMicros(task.update_time))
      .Bind(absl::ToUnixMicros(task.available_time))
      .Bind(task.worker)
      .Bind(task.lock)
      .Bind(absl::ToUnixMicros(task.lock_time))
      .Bind(absl::ToUnixMicros(task.lock_expire_time))
      .Bind(absl::ToInt64Microseconds(task.lease))
      .Bind(absl::ToUnixMicros(task.alarm_time))
      .Bind(spent_locks);
}

// errors, error_print and error_us.
void BindErrors(Statement& statement, const Task& task, const std::string& errors) {
  const domain::TaskError* problem = domain::LastProblem(task);
  statement.Bind(errors)
      .Bind(domain::FingerprintOf(task))
      .Bind(problem == nullptr ? 0 : absl::ToUnixMicros(problem->time));
}

std::string SpentLocks(const Task& task) { return absl::StrJoin(task.spent_locks, " "); }

}  // namespace

absl::StatusOr<Task> ReadTask(const Statement& row) {
  Task task;
  task.key = {row.Text(kNamespace), row.Text(kId)};
  const std::optional<domain::Status> status = domain::StatusFromCode(row.Int(kStatus));
  if (!status) {
    return absl::DataLossError(
        absl::StrCat("task '", task.key.id, "' is stored with status ", row.Int(kStatus)));
  }
  task.status = *status;
  task.attempts = static_cast<int>(row.Int(kAttempts));
  task.max_attempts = static_cast<int>(row.Int(kMaxAttempts));
  task.priority = static_cast<int>(row.Int(kPriority));
  task.fence = row.Int(kFence);
  task.create_time = ReadTime(row, kCreate);
  task.update_time = ReadTime(row, kUpdate);
  task.available_time = ReadTime(row, kAvailable);
  task.worker = row.Text(kWorker);
  task.lock = row.Text(kLock);
  task.lock_time = ReadTime(row, kLockTime);
  task.lock_expire_time = ReadTime(row, kLockExpire);
  task.lease = absl::Microseconds(row.Int(kLease));
  task.alarm_time = ReadTime(row, kAlarm);
  task.spent_locks = absl::StrSplit(row.Text(kSpentLocks), ' ', absl::SkipEmpty());
  task.data = row.Text(kData);
  absl::StatusOr<std::vector<domain::TaskError>> errors = DecodeErrors(row.Text(kErrors));
  if (!errors.ok()) {
    return absl::DataLossError(
        absl::StrCat("task '", task.key.id, "': ", errors.status().message()));
  }
  task.errors = *std::move(errors);
  return task;
}

int64_t ReadRowId(const Statement& row) { return row.Int(kRowId); }

absl::StatusOr<Statement> SelectByKey(Connection& connection) {
  static const std::string kSql =
      absl::StrCat("SELECT ", kTaskColumns, " FROM task WHERE namespace = ? AND id = ?");
  return connection.Prepare(kSql);
}

absl::StatusOr<std::vector<domain::TaskKey>> ReadKeys(Statement& statement) {
  std::vector<domain::TaskKey> keys;
  while (true) {
    const absl::StatusOr<bool> row = statement.Step();
    if (!row.ok()) return row.status();
    if (!*row) return keys;
    keys.push_back({statement.Text(0), statement.Text(1)});
  }
}

absl::Status InsertTask(Connection& connection, const Task& task) {
  const std::string errors = EncodeErrors(task.errors);
  const std::string spent_locks = SpentLocks(task);
  absl::StatusOr<Statement> statement = connection.Prepare(
      "INSERT INTO task (namespace, id, create_us, status, attempts, max_attempts, priority, "
      "fence, update_us, available_us, worker, lock, lock_us, lock_expire_us, lease_us, "
      "alarm_us, spent_locks, data, errors, error_print, error_us) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  if (!statement.ok()) return statement.status();
  statement->Bind(task.key.name_space).Bind(task.key.id).Bind(absl::ToUnixMicros(task.create_time));
  BindChanging(*statement, task, spent_locks);
  statement->Bind(task.data);
  BindErrors(*statement, task, errors);
  return statement->Run();
}

absl::Status UpdateTask(Connection& connection, int64_t row_id, const Task& before,
                        const Task& after) {
  const bool same_data = after.data == before.data;
  const bool same_errors = after.errors == before.errors;
  const std::string errors = same_errors ? "" : EncodeErrors(after.errors);
  const std::string spent_locks = SpentLocks(after);
  absl::StatusOr<Statement> statement = connection.Prepare(absl::StrCat(
      "UPDATE task SET status = ?, attempts = ?, max_attempts = ?, priority = ?, fence = ?, "
      "update_us = ?, available_us = ?, worker = ?, lock = ?, lock_us = ?, lock_expire_us = ?, "
      "lease_us = ?, alarm_us = ?, spent_locks = ?",
      same_data ? "" : ", data = ?",
      same_errors ? "" : ", errors = ?, error_print = ?, error_us = ?", " WHERE rowid = ?"));
  if (!statement.ok()) return statement.status();
  BindChanging(*statement, after, spent_locks);
  if (!same_data) statement->Bind(after.data);
  if (!same_errors) BindErrors(*statement, after, errors);
  statement->Bind(row_id);
  return statement->Run();
}

absl::Status DeleteTask(Connection& connection, int64_t row_id) {
  absl::StatusOr<Statement> statement = connection.Prepare("DELETE FROM task WHERE rowid = ?");
  if (!statement.ok()) return statement.status();
  return statement->Bind(row_id).Run();
}

}  // namespace tracker::store::sqlite
