#include "src/store/postgres/statements.h"

#include <map>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "src/domain/fingerprint.h"
#include "src/store/errors_json.h"
#include "src/store/postgres/array_literal.h"

namespace tracker::store::postgres {

using domain::Task;
using domain::TaskKey;

// One task by its key, within a statement that has its keys in k(namespace, id). The subquery
// forces the only good plan, whatever the statistics of a table that was empty a moment ago say:
// for each key one probe of the primary key.
#define TRACKER_EACH_TASK(columns, lock)                     \
  " FROM unnest($2::text[], $3::text[]) AS k(namespace, id)" \
  " CROSS JOIN LATERAL (SELECT " columns                     \
  " FROM tracker.task"                                       \
  " WHERE bucket = $1::int AND namespace = k.namespace AND id = k.id " lock " OFFSET 0) t"

// The keys come in their order, and are locked in it. The CTE is materialised so that a row's clock
// is read after its lock was had; LEFT JOIN, so that there is a clock without rows.
#define TRACKER_LOCK(how)                                          \
  "WITH held AS MATERIALIZED (SELECT t.*" TRACKER_EACH_TASK(       \
      TRACKER_TASK_COLUMNS("") ", ctid AS place",                  \
      "FOR NO KEY UPDATE" how) ") SELECT " TRACKER_NOW_US          \
                               ", h.place, " TRACKER_TASK_COLUMNS( \
                                   "h.") " FROM (VALUES (1)) AS one LEFT JOIN held h ON true"

const Statement kLock = {"lock", TRACKER_LOCK("")};
const Statement kLockUnheld = {"lock_unheld", TRACKER_LOCK(" SKIP LOCKED")};

const Statement kExisting = {"existing",
                             "SELECT t.namespace, t.id" TRACKER_EACH_TASK("namespace, id", "")};

// The rows are locked, so each is where the lock found it (its ctid), and nothing needs to look for
// it: by_place has the planner take no other way. Documents that are NULL did not change, and stay
// where they are, out of line when they are large; Apply never empties data or errors. The division
// makes it an error should a row not be there: what is answered must have been written.
#define TRACKER_UPDATE(document_arrays, document_names, set_documents)                         \
  "WITH done AS (UPDATE tracker.task t SET status = v.status, attempts = v.attempts,"          \
  " fence = v.fence, update_us = v.update_us, available_us = v.available_us,"                  \
  " worker = v.worker, lock = v.lock, lock_us = v.lock_us, lock_expire_us = v.lock_expire_us," \
  " lease_us = v.lease_us, alarm_us = v.alarm_us" set_documents                                \
  " FROM unnest($3::tid[], $4::smallint[], $5::int[], $6::bigint[], $7::bigint[],"             \
  " $8::bigint[], $9::text[], $10::text[], $11::bigint[], $12::bigint[], $13::bigint[],"       \
  " $14::bigint[]" document_arrays                                                             \
  ") AS v(place, status, attempts, fence, update_us,"                                          \
  " available_us, worker, lock, lock_us, lock_expire_us, lease_us, alarm_us" document_names    \
  ")"                                                                                          \
  " WHERE t.bucket = $1::int AND t.ctid = v.place RETURNING 1)"                                \
  " SELECT 1 / (count(*) = $2::bigint)::int FROM done"

const Statement kUpdate = {"update", TRACKER_UPDATE("", "", ""), /*by_place=*/true};
const Statement kUpdateDocuments = {
    "update_documents",
    TRACKER_UPDATE(", $15::text[], $16::text[], $17::bigint[], $18::bigint[]",
                   ", data, errors, error_print, error_us",
                   ", data = coalesce(v.data::json, t.data),"
                   " errors = coalesce(v.errors::json, t.errors),"
                   " error_print = v.error_print, error_us = v.error_us"),
    /*by_place=*/true};

// From arrays of the columns, in the order of TRACKER_TASK_COLUMNS.
const Statement kInsert = {
    "insert",
    "WITH made AS (INSERT INTO tracker.task (bucket, " TRACKER_TASK_COLUMNS(
        "") ", error_print, error_us"
    ") SELECT $1::int, v.namespace, v.id, v.status, v.attempts, v.max_attempts, v.priority,"
    " v.fence, v.create_us, v.update_us, v.available_us, v.worker, v.lock, v.lock_us,"
    " v.lock_expire_us, v.lease_us, v.alarm_us, v.data::json, v.errors::json, v.error_print,"
    " v.error_us"
    " FROM unnest($2::text[], $3::text[], $4::smallint[], $5::int[], $6::int[], $7::int[],"
    " $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::text[], $13::text[],"
    " $14::bigint[], $15::bigint[], $16::bigint[], $17::bigint[], $18::text[], $19::text[],"
    " $20::bigint[], $21::bigint[])"
    " AS v(" TRACKER_TASK_COLUMNS("") ", error_print, error_us"
    ") ON CONFLICT DO NOTHING RETURNING 1) SELECT count(*) FROM made"};

const Statement kDelete = {"delete",
                           "DELETE FROM tracker.task WHERE bucket = $1::int"
                           " AND namespace = $2::text AND id = ANY ($3::text[])"};

const Statement kSucceeded = {"succeeded", "SELECT t.namespace, t.id" TRACKER_EACH_TASK(
                                               "namespace, id, status", "") " WHERE t.status = 40"};

const Statement kAddAttempts = {
    "add_attempts",
    "INSERT INTO tracker.attempt_count (bucket, namespace, second_us, ended, failed)"
    " SELECT $1::int, v.namespace, v.second_us, v.ended, v.failed"
    " FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::bigint[])"
    " AS v(namespace, second_us, ended, failed)"};

const Statement kAddCounts = {
    "add_counts",
    "INSERT INTO tracker.task_count (bucket, namespace, status, n)"
    " SELECT $1::int, c.namespace, c.status, c.n"
    " FROM unnest($2::text[], $3::smallint[], $4::bigint[]) AS c(namespace, status, n)"};

const Statement kGet = {"get", "SELECT " TRACKER_NOW_US ", " TRACKER_TASK_COLUMNS(
                                   "") " FROM tracker.task"
                                       " WHERE bucket = $1::int AND namespace = $2 AND id = $3"};

// now() here, since an index cannot be searched by a volatile function; the transaction has just
// begun.
const Statement kDue = {"due",
                        "SELECT namespace, id FROM tracker.alarm WHERE bucket = $1::int"
                        " AND due_us <= (extract(epoch FROM now()) * 1000000)::bigint + $3::bigint"
                        " ORDER BY due_us, namespace, id LIMIT $2::int"};

// $1 namespace, $2 create_us and $3 id to go on after, $4 age, $5 how many to look at.
const Statement kFinished = {
    "finished",
    "SELECT (extract(epoch FROM now()) * 1000000)::bigint - $4::bigint, id, create_us,"
    " status IN (30, 40, 50)"
    " AND update_us <= (extract(epoch FROM now()) * 1000000)::bigint - $4::bigint"
    " FROM tracker.task WHERE namespace COLLATE \"POSIX\" = $1"
    " AND (create_us, id COLLATE \"POSIX\") > ($2::bigint, $3::text)"
    " AND create_us <= (extract(epoch FROM now()) * 1000000)::bigint - $4::bigint"
    " ORDER BY create_us, id COLLATE \"POSIX\" LIMIT $5::int"};

// What this role lacks of what the statements of this store need: locking a row takes UPDATE, too.
const Statement kPing = {
    "ping",
    "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::bool, current_user,"
    " (SELECT string_agg(n.privilege || ' on tracker.' || n.name, ', ') FROM ("
    "SELECT name, privilege FROM unnest('{task,ready,alarm,idle,claim,task_count,attempt_count,"
    "policy,policy_gone}'::text[]) AS t(name)"
    " CROSS JOIN unnest('{SELECT,INSERT,UPDATE,DELETE}'::text[]) AS p(privilege)"
    " UNION ALL VALUES ('meta', 'SELECT'), ('meta', 'UPDATE')) AS n"
    " WHERE NOT has_table_privilege('tracker.' || n.name, n.privilege))"};

std::vector<std::string> KeyValues(int bucket, const std::vector<TaskKey>& keys) {
  ArrayLiteral namespaces, ids;
  for (const TaskKey& key : keys) {
    namespaces.AddText(key.name_space);
    ids.AddText(key.id);
  }
  return {absl::StrCat(bucket), namespaces.Take(), ids.Take()};
}

std::vector<StatementCall> DeleteCalls(int bucket, const std::vector<TaskKey>& keys) {
  std::map<std::string, ArrayLiteral> ids;
  for (const TaskKey& key : keys) ids[key.name_space].AddText(key.id);
  std::vector<StatementCall> calls;
  calls.reserve(ids.size());
  for (auto& [name_space, of_it] : ids) {
    calls.push_back({kDelete, {absl::StrCat(bucket), name_space, of_it.Take()}});
  }
  return calls;
}

std::vector<std::string> CountValues(int bucket, const Batch::CountDeltas& deltas) {
  ArrayLiteral namespaces, statuses, numbers;
  for (const auto& [key, delta] : deltas) {
    namespaces.AddText(key.first);
    statuses.Add(static_cast<int64_t>(key.second));
    numbers.Add(delta);
  }
  return {absl::StrCat(bucket), namespaces.Take(), statuses.Take(), numbers.Take()};
}

namespace {

void AddDocument(ArrayLiteral& array, const std::string& json) {
  if (json.empty()) {
    array.AddNull();
  } else {
    array.AddText(json);
  }
}

// error_print and error_us.
void AddProblem(ArrayLiteral* columns, const Task& task) {
  const domain::TaskError* problem = domain::LastProblem(task);
  columns[0].Add(domain::FingerprintOf(task));
  columns[1].Add(problem == nullptr ? 0 : absl::ToUnixMicros(problem->time));
}

std::string ErrorsDocument(const Task& task) {
  return task.errors.empty() ? "" : EncodeErrors(task.errors);
}

int64_t Micros(absl::Time time) { return absl::ToUnixMicros(time); }

StatementCall UpdateCall(int bucket, const std::vector<const Batch::Row*>& rows, bool documents) {
  // In the order of the parameters from $2 on; the first is a number.
  ArrayLiteral columns[17];
  for (const Batch::Row* row : rows) {
    const Task& task = *row->after;
    columns[1].AddText(row->place);
    columns[2].Add(static_cast<int64_t>(task.status));
    columns[3].Add(task.attempts);
    columns[4].Add(task.fence);
    columns[5].Add(Micros(task.update_time));
    columns[6].Add(Micros(task.available_time));
    columns[7].AddText(task.worker);
    columns[8].AddText(task.lock);
    columns[9].Add(Micros(task.lock_time));
    columns[10].Add(Micros(task.lock_expire_time));
    columns[11].Add(absl::ToInt64Microseconds(task.lease));
    columns[12].Add(Micros(task.alarm_time));
    if (!documents) continue;
    AddDocument(columns[13], task.data != row->before->data ? task.data : "");
    AddDocument(columns[14], task.errors != row->before->errors ? ErrorsDocument(task) : "");
    AddProblem(columns + 15, task);
  }
  const absl::Span<ArrayLiteral> used(columns, documents ? 17 : 13);
  std::vector<std::string> values = BucketAndArrays(bucket, used);
  values[1] = absl::StrCat(rows.size());
  return {documents ? kUpdateDocuments : kUpdate, std::move(values)};
}

}  // namespace

StatementCall InsertCall(int bucket, const std::vector<const Batch::Row*>& rows) {
  // In the order of TRACKER_TASK_COLUMNS.
  ArrayLiteral columns[20];
  for (const Batch::Row* row : rows) {
    const Task& task = *row->after;
    columns[0].AddText(task.key.name_space);
    columns[1].AddText(task.key.id);
    columns[2].Add(static_cast<int64_t>(task.status));
    columns[3].Add(task.attempts);
    columns[4].Add(task.max_attempts);
    columns[5].Add(task.priority);
    columns[6].Add(task.fence);
    columns[7].Add(Micros(task.create_time));
    columns[8].Add(Micros(task.update_time));
    columns[9].Add(Micros(task.available_time));
    columns[10].AddText(task.worker);
    columns[11].AddText(task.lock);
    columns[12].Add(Micros(task.lock_time));
    columns[13].Add(Micros(task.lock_expire_time));
    columns[14].Add(absl::ToInt64Microseconds(task.lease));
    columns[15].Add(Micros(task.alarm_time));
    AddDocument(columns[16], task.data);
    AddDocument(columns[17], ErrorsDocument(task));
    AddProblem(columns + 18, task);
  }
  return {kInsert, BucketAndArrays(bucket, absl::MakeSpan(columns))};
}

std::vector<StatementCall> UpdateCalls(int bucket, const std::vector<const Batch::Row*>& rows) {
  std::vector<const Batch::Row*> plain, documents;
  for (const Batch::Row* row : rows) {
    const bool same =
        row->after->data == row->before->data && row->after->errors == row->before->errors;
    (same ? plain : documents).push_back(row);
  }
  std::vector<StatementCall> calls;
  if (!plain.empty()) calls.push_back(UpdateCall(bucket, plain, /*documents=*/false));
  if (!documents.empty()) calls.push_back(UpdateCall(bucket, documents, /*documents=*/true));
  return calls;
}

std::vector<std::string> AttemptValues(int bucket, const Batch::AttemptDeltas& deltas,
                                       absl::Time now) {
  ArrayLiteral columns[4];
  for (const auto& [name_space, count] : deltas) {
    columns[0].AddText(name_space);
    columns[1].Add(absl::ToUnixSeconds(now) * 1'000'000);
    columns[2].Add(count.ended);
    columns[3].Add(count.failed);
  }
  return BucketAndArrays(bucket, absl::MakeSpan(columns));
}

absl::StatusOr<Task> TaskFrom(const Rows& rows, int row, int first) {
  int column = first;
  const auto text = [&] { return std::string(rows.Text(row, column++)); };
  const auto integer = [&] { return rows.Int(row, column++); };
  const auto time = [&] { return absl::FromUnixMicros(integer()); };
  Task task;
  task.key.name_space = text();
  task.key.id = text();
  const auto status = domain::StatusFromCode(integer());
  if (!status) {
    return absl::DataLossError(
        absl::StrCat("task ", task.key.name_space, "/", task.key.id, " has an unknown status"));
  }
  task.status = *status;
  task.attempts = static_cast<int>(integer());
  task.max_attempts = static_cast<int>(integer());
  task.priority = static_cast<int>(integer());
  task.fence = integer();
  task.create_time = time();
  task.update_time = time();
  task.available_time = time();
  task.worker = text();
  task.lock = text();
  task.lock_time = time();
  task.lock_expire_time = time();
  task.lease = absl::Microseconds(integer());
  task.alarm_time = time();
  task.data = text();
  absl::StatusOr<std::vector<domain::TaskError>> errors = DecodeErrors(text());
  if (!errors.ok()) return errors.status();
  task.errors = *std::move(errors);
  return task;
}

}  // namespace tracker::store::postgres
