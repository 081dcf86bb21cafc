#include "src/store/postgres/statements.h"

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
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
#define TRACKER_LOCK(how)                                    \
  "WITH held AS MATERIALIZED (SELECT t.*" TRACKER_EACH_TASK( \
      TRACKER_TASK_COLUMNS(""),                              \
      "FOR NO KEY UPDATE" how) ") SELECT " TRACKER_NOW_US    \
                               ", " TRACKER_TASK_COLUMNS(    \
                                   "h.") " FROM (VALUES (1)) AS one LEFT JOIN held h ON true"

const Statement kLock = {"lock", TRACKER_LOCK("")};
const Statement kLockUnheld = {"lock_unheld", TRACKER_LOCK(" SKIP LOCKED")};

const Statement kExisting = {"existing",
                             "SELECT t.namespace, t.id" TRACKER_EACH_TASK("namespace, id", "")};

// An insert that always conflicts, since the rows are there and locked: it finds each by one probe
// of the primary key, where the plan of UPDATE … FROM unnest would hang on the statistics. Columns
// that never change are there only to be inserted, and are not: so they are 0. Documents that are
// NULL did not change, and stay where they are, out of line when they are large; Apply never
// empties data or errors.
#define TRACKER_UPDATE(documents, document_arrays, document_names, set_documents) \
  "INSERT INTO tracker.task (bucket, " TRACKER_TASK_COLUMNS("")                                   \
  ") SELECT $1::int, v.namespace, v.id, v.status, v.attempts, 0, 0, v.fence, 0, v.update_us,"     \
  " v.available_us, v.worker, v.lock, v.lock_us, v.lock_expire_us, v.lease_us, " documents        \
  " FROM unnest($2::text[], $3::text[], $4::smallint[], $5::int[], $6::bigint[], $7::bigint[],"   \
  " $8::bigint[], $9::text[], $10::text[], $11::bigint[], $12::bigint[], $13::bigint[]"           \
  document_arrays ") AS v(namespace, id, status, attempts, fence, update_us, available_us,"       \
  " worker, lock, lock_us, lock_expire_us, lease_us" document_names ")"                           \
  " ON CONFLICT (bucket, namespace, id) DO UPDATE SET status = excluded.status,"                  \
  " attempts = excluded.attempts, fence = excluded.fence, update_us = excluded.update_us,"        \
  " available_us = excluded.available_us, worker = excluded.worker, lock = excluded.lock,"        \
  " lock_us = excluded.lock_us, lock_expire_us = excluded.lock_expire_us,"                        \
  " lease_us = excluded.lease_us" set_documents

const Statement kUpdate = {"update", TRACKER_UPDATE("NULL, NULL", "", "", "")};
const Statement kUpdateDocuments = {
    "update_documents",
    TRACKER_UPDATE("v.data::json, v.errors::json", ", $14::text[], $15::text[]", ", data, errors",
                   ", data = coalesce(excluded.data, task.data),"
                   " errors = coalesce(excluded.errors, task.errors)")};

// From arrays of the columns, in the order of TRACKER_TASK_COLUMNS.
const Statement kInsert = {
    "insert",
    "WITH made AS (INSERT INTO tracker.task (bucket, " TRACKER_TASK_COLUMNS("")
    ") SELECT $1::int, v.namespace, v.id, v.status, v.attempts, v.max_attempts, v.priority,"
    " v.fence, v.create_us, v.update_us, v.available_us, v.worker, v.lock, v.lock_us,"
    " v.lock_expire_us, v.lease_us, v.data::json, v.errors::json"
    " FROM unnest($2::text[], $3::text[], $4::smallint[], $5::int[], $6::int[], $7::int[],"
    " $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::text[], $13::text[],"
    " $14::bigint[], $15::bigint[], $16::bigint[], $17::text[], $18::text[])"
    " AS v(" TRACKER_TASK_COLUMNS("")
    ") ON CONFLICT DO NOTHING RETURNING 1) SELECT count(*) FROM made"};

const Statement kDelete = {
    "delete", "DELETE FROM tracker.task WHERE bucket = $1::int AND namespace = $2 AND id = $3"};

const Statement kAddCounts = {
    "add_counts",
    "INSERT INTO tracker.task_count (bucket, namespace, status, n)"
    " SELECT $1::int, c.namespace, c.status, c.n"
    " FROM unnest($2::text[], $3::smallint[], $4::bigint[]) AS c(namespace, status, n)"};

// Only what has more than one row is taken up: else, with more namespaces than a step has rows, the
// first of them would be folded again and again, and the others never. Two folders take different
// rows; a reader sees either the rows or their sum, never both, as one statement has one snapshot.
const Statement kFoldCounts = {
    "fold_counts",
    "WITH piled AS MATERIALIZED ("
    "  SELECT namespace, status FROM tracker.task_count WHERE bucket = $1::int"
    "  GROUP BY namespace, status HAVING count(*) > 1 LIMIT $2::int),"
    " doomed AS MATERIALIZED ("
    "  SELECT r.ctid FROM piled p CROSS JOIN LATERAL ("
    "    SELECT ctid FROM tracker.task_count"
    "    WHERE bucket = $1::int AND namespace = p.namespace AND status = p.status"
    "    FOR UPDATE SKIP LOCKED) r LIMIT $2::int),"
    " gone AS ("
    "  DELETE FROM tracker.task_count c USING doomed d"
    "  WHERE c.bucket = $1::int AND c.ctid = d.ctid RETURNING c.namespace, c.status, c.n)"
    " INSERT INTO tracker.task_count (bucket, namespace, status, n)"
    " SELECT $1::int, namespace, status, sum(n) FROM gone"
    " GROUP BY namespace, status HAVING sum(n) <> 0"};

const Statement kExcessCounts = {
    "excess_counts",
    "SELECT count(*) - count(DISTINCT (namespace, status)) FROM tracker.task_count"
    " WHERE bucket = $1::int"};

const Statement kCount = {
    "count",
    "SELECT namespace, status, sum(n)::bigint FROM tracker.task_count"
    " WHERE $1::text = '' OR namespace = $1::text"
    " GROUP BY namespace, status HAVING sum(n) <> 0 ORDER BY namespace, status"};

const Statement kGet = {"get", "SELECT " TRACKER_NOW_US ", " TRACKER_TASK_COLUMNS(
                                   "") " FROM tracker.task"
                                       " WHERE bucket = $1::int AND namespace = $2 AND id = $3"};

// now() here, since an index cannot be searched by a volatile function; the transaction has just
// begun.
const Statement kExpired = {
    "expired",
    "SELECT namespace, id FROM tracker.task WHERE status = 10 AND bucket = $1::int"
    " AND lock_expire_us <= (extract(epoch FROM now()) * 1000000)::bigint + $3::bigint"
    " ORDER BY lock_expire_us LIMIT $2::int"};

const Statement kPing = {
    "ping", "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::bool"};

std::vector<std::string> KeyValues(int bucket, const std::vector<TaskKey>& keys) {
  ArrayLiteral namespaces, ids;
  for (const TaskKey& key : keys) {
    namespaces.AddText(key.name_space);
    ids.AddText(key.id);
  }
  return {absl::StrCat(bucket), namespaces.Take(), ids.Take()};
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

std::string ErrorsDocument(const Task& task) {
  return task.errors.empty() ? "" : EncodeErrors(task.errors);
}

int64_t Micros(absl::Time time) { return absl::ToUnixMicros(time); }

std::vector<std::string> TakeAll(int bucket, absl::Span<ArrayLiteral> columns) {
  std::vector<std::string> values = {absl::StrCat(bucket)};
  for (ArrayLiteral& column : columns) values.push_back(column.Take());
  return values;
}

StatementCall UpdateCall(int bucket, const std::vector<const Batch::Row*>& rows, bool documents) {
  // In the order of the parameters from $2 on.
  ArrayLiteral columns[14];
  for (const Batch::Row* row : rows) {
    const Task& task = *row->after;
    columns[0].AddText(task.key.name_space);
    columns[1].AddText(task.key.id);
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
    if (!documents) continue;
    AddDocument(columns[12], task.data != row->before->data ? task.data : "");
    AddDocument(columns[13], task.errors != row->before->errors ? ErrorsDocument(task) : "");
  }
  const absl::Span<ArrayLiteral> used(columns, documents ? 14 : 12);
  return {documents ? kUpdateDocuments : kUpdate, TakeAll(bucket, used)};
}

}  // namespace

StatementCall InsertCall(int bucket, const std::vector<const Batch::Row*>& rows) {
  // In the order of TRACKER_TASK_COLUMNS.
  ArrayLiteral columns[17];
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
    AddDocument(columns[15], task.data);
    AddDocument(columns[16], ErrorsDocument(task));
  }
  return {kInsert, TakeAll(bucket, absl::MakeSpan(columns))};
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
  task.data = text();
  absl::StatusOr<std::vector<domain::TaskError>> errors = DecodeErrors(text());
  if (!errors.ok()) return errors.status();
  task.errors = *std::move(errors);
  return task;
}

}  // namespace tracker::store::postgres
