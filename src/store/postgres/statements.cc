#include "src/store/postgres/statements.h"

#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/types/span.h"
#include "src/domain/fingerprint.h"
#include "src/store/errors_json.h"
#include "src/store/postgres/array_literal.h"
#include "src/store/postgres/documents.h"
#include "src/store/postgres/entry_sweep.h"

namespace tracker::store::postgres {

using domain::Task;
using domain::TaskKey;

// The keys come in their order, and are locked in it. The CTE is materialised so that a row's clock
// and transaction are read after its lock was had. No wait for a row: a stranger's lock would stall
// all that is in the batch, and whoever wants to wait asks again (Writer). Whether a task is there
// though it could not be locked is no EXISTS, which the planner would answer by reading the whole
// table where it was empty a moment ago (docs/adr/0003).
const Statement kLock = {
    "lock",
    "WITH found AS MATERIALIZED (SELECT t.*, CASE WHEN t.place IS NULL THEN ("
    "SELECT true FROM tracker.task x WHERE x.bucket = $1::int AND x.namespace = k.namespace"
    " AND x.id = k.id OFFSET 0) END AS held"
    " FROM unnest($2::text[], $3::text[]) AS k(namespace, id)"
    " LEFT JOIN LATERAL (SELECT namespace, id, status, attempts, max_attempts, priority, fence,"
    " create_us, update_us, available_us, worker, lock, lock_us, lock_expire_us, lease_us,"
    " alarm_us, spent_locks, ctid AS place, " TRACKER_DOCUMENTS_IF_SMALL
    " FROM tracker.task WHERE bucket = $1::int AND namespace = k.namespace AND id = k.id"
    " FOR NO KEY UPDATE SKIP LOCKED OFFSET 0) t ON true)"
    " SELECT " TRACKER_NOW_US
    ", pg_current_xact_id_if_assigned(), f.place, f.held, f.left_out, " TRACKER_TASK_COLUMNS(
        "f.") " FROM found f"};

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
    TRACKER_UPDATE(", $15::text[], $16::text[], $17::bigint[], $18::bigint[], $19::text[]",
                   ", data, errors, error_print, error_us, spent_locks",
                   ", data = coalesce(v.data::json, t.data),"
                   " errors = coalesce(v.errors::json, t.errors),"
                   " error_print = coalesce(v.error_print, t.error_print),"
                   " error_us = coalesce(v.error_us, t.error_us), spent_locks = v.spent_locks"),
    /*by_place=*/true};

// From arrays of the columns, in the order of TRACKER_TASK_COLUMNS.
const Statement kInsert = {
    "insert",
    "WITH made AS (INSERT INTO tracker.task (bucket, " TRACKER_TASK_COLUMNS(
        "") ", error_print, error_us"
    ") SELECT $1::int, v.namespace, v.id, v.status, v.attempts, v.max_attempts, v.priority,"
    " v.fence, v.create_us, v.update_us, v.available_us, v.worker, v.lock, v.lock_us,"
    " v.lock_expire_us, v.lease_us, v.alarm_us, v.spent_locks, v.data::json, v.errors::json,"
    " v.error_print, v.error_us"
    " FROM unnest($2::text[], $3::text[], $4::smallint[], $5::int[], $6::int[], $7::int[],"
    " $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::text[], $13::text[],"
    " $14::bigint[], $15::bigint[], $16::bigint[], $17::bigint[], $18::text[], $19::text[],"
    " $20::text[], $21::bigint[], $22::bigint[])"
    " AS v(" TRACKER_TASK_COLUMNS("") ", error_print, error_us"
    ") ON CONFLICT DO NOTHING RETURNING 1)"
    " SELECT count(*), pg_current_xact_id_if_assigned() FROM made",
    /*by_place=*/false, /*short_wait=*/true};

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
const Statement kDue = {
    "due",
    "SELECT e.namespace, e.id, t.holds IS TRUE FROM ("
    "SELECT due_us, namespace, id, held FROM tracker.alarm WHERE bucket = $1::int"
    " AND due_us <= (extract(epoch FROM now()) * 1000000)::bigint + $3::bigint"
    " ORDER BY due_us, namespace, id LIMIT $2::int) e" TRACKER_BEHIND_ENTRY(
        TRACKER_ALARM_HOLDS) " ORDER BY e.due_us, e.namespace, e.id"};

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

// error_print and error_us; NULL: they are as they were.
void AddProblem(ArrayLiteral* columns, const Task& task) {
  if (task.documents_left_out) {
    columns[0].AddNull();
    columns[1].AddNull();
    return;
  }
  const domain::TaskError* problem = domain::LastProblem(task);
  columns[0].Add(domain::FingerprintOf(task));
  columns[1].Add(problem == nullptr ? 0 : absl::ToUnixMicros(problem->time));
}

std::string SpentLocks(const Task& task) { return absl::StrJoin(task.spent_locks, " "); }

std::string ErrorsDocument(const Task& task) {
  return task.errors.empty() ? "" : EncodeErrors(task.errors);
}

int64_t Micros(absl::Time time) { return absl::ToUnixMicros(time); }

StatementCall UpdateCall(int bucket, const std::vector<const Batch::Row*>& rows, bool documents) {
  // In the order of the parameters from $2 on; the first is a number.
  ArrayLiteral columns[18];
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
    columns[17].AddText(SpentLocks(task));
  }
  const absl::Span<ArrayLiteral> used(columns, documents ? 18 : 13);
  std::vector<std::string> values = BucketAndArrays(bucket, used);
  values[1] = absl::StrCat(rows.size());
  return {documents ? kUpdateDocuments : kUpdate, std::move(values)};
}

}  // namespace

StatementCall InsertCall(int bucket, const std::vector<const Batch::Row*>& rows) {
  // In the order of TRACKER_TASK_COLUMNS.
  ArrayLiteral columns[21];
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
    columns[16].AddText(SpentLocks(task));
    AddDocument(columns[17], task.data);
    AddDocument(columns[18], ErrorsDocument(task));
    AddProblem(columns + 19, task);
  }
  return {kInsert, BucketAndArrays(bucket, absl::MakeSpan(columns))};
}

std::vector<StatementCall> UpdateCalls(int bucket, const std::vector<const Batch::Row*>& rows) {
  std::vector<const Batch::Row*> plain, documents;
  for (const Batch::Row* row : rows) {
    const bool same = row->after->data == row->before->data &&
                      row->after->errors == row->before->errors &&
                      row->after->spent_locks == row->before->spent_locks;
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
  task.spent_locks = absl::StrSplit(text(), ' ', absl::SkipEmpty());
  task.data = text();
  absl::StatusOr<std::vector<domain::TaskError>> errors = DecodeErrors(text());
  if (!errors.ok()) return errors.status();
  task.errors = *std::move(errors);
  return task;
}

}  // namespace tracker::store::postgres
