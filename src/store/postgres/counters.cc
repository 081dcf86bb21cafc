#include "src/store/postgres/counters.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "src/base/limits.h"
#include "src/store/postgres/array_literal.h"
#include "src/store/postgres/statements.h"
#include "src/store/postgres/stoppable.h"

namespace tracker::store::postgres {
namespace {

// Counter rows folded in one step.
constexpr int kFoldRows = 10000;
// Fewer superfluous counter rows than this cost a Count nothing worth a write.
constexpr int64_t kFoldFrom = 200;
// Claims forgotten in one step: more than can be made in the second until the next.
constexpr int kForgetRows = 5000;

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

// Both sides in one statement, so in one snapshot.
const Statement kCheckCounts = {
    "check_counts",
    "WITH actual AS MATERIALIZED (SELECT namespace, status, count(*) AS n FROM tracker.task"
    "  GROUP BY namespace, status),"
    " counted AS MATERIALIZED (SELECT namespace, status, sum(n)::bigint AS n"
    "  FROM tracker.task_count GROUP BY namespace, status HAVING sum(n) <> 0)"
    " SELECT (SELECT coalesce(sum(n), 0)::bigint FROM actual), d.namespace, d.status, d.counted,"
    " d.actual FROM (VALUES (1)) AS one LEFT JOIN (SELECT namespace, status,"
    "  sum(c)::bigint AS counted, sum(a)::bigint AS actual FROM ("
    "   SELECT namespace, status, n AS a, 0 AS c FROM actual UNION ALL"
    "   SELECT namespace, status, 0, n FROM counted) both_sides GROUP BY namespace, status"
    "  HAVING sum(c) <> sum(a) ORDER BY namespace, status LIMIT 1000) d ON true"};

// $1 namespace, $2 the first second, both of the database's clock less what $3 adds to it.
const Statement kCountAttempts = {
    "count_attempts",
    "SELECT coalesce(sum(ended), 0)::bigint, coalesce(sum(failed), 0)::bigint"
    " FROM tracker.attempt_count WHERE bucket = ANY ($4::int[]) AND namespace = $1::text"
    " AND second_us > greatest($2::bigint,"
    " (extract(epoch FROM now()) * 1000000)::bigint - $3::bigint)"};

// Seconds of which there is more than one row, and which are over. $2 now less this: older ones go
// without a sum.
const Statement kFoldAttempts = {
    "fold_attempts",
    "WITH piled AS MATERIALIZED ("
    "  SELECT namespace, second_us FROM tracker.attempt_count WHERE bucket = $1::int"
    "  GROUP BY namespace, second_us"
    "  HAVING count(*) > 1 OR second_us < (extract(epoch FROM now()) * 1000000)::bigint - "
    "$3::bigint"
    "  LIMIT $2::int),"
    " doomed AS MATERIALIZED ("
    "  SELECT r.ctid FROM piled p CROSS JOIN LATERAL ("
    "    SELECT ctid FROM tracker.attempt_count"
    "    WHERE bucket = $1::int AND namespace = p.namespace AND second_us = p.second_us"
    "    FOR UPDATE SKIP LOCKED) r LIMIT $2::int),"
    " gone AS ("
    "  DELETE FROM tracker.attempt_count c USING doomed d"
    "  WHERE c.bucket = $1::int AND c.ctid = d.ctid"
    "  RETURNING c.namespace, c.second_us, c.ended, c.failed)"
    " INSERT INTO tracker.attempt_count (bucket, namespace, second_us, ended, failed)"
    " SELECT $1::int, namespace, second_us, sum(ended), sum(failed) FROM gone"
    " WHERE second_us >= (extract(epoch FROM now()) * 1000000)::bigint - $3::bigint"
    " GROUP BY namespace, second_us"};

// $1 bucket, $2 rows, $3 age in microseconds. By their tokens, not by their place: the primary key
// begins with the bucket, and would be read whole in search of a place.
const Statement kForgetClaims = {
    "forget_claims",
    "DELETE FROM tracker.claim WHERE bucket = $1::int AND token = ANY (ARRAY("
    "SELECT token FROM tracker.claim WHERE bucket = $1::int"
    " AND claim_us < (extract(epoch FROM now()) * 1000000)::bigint - $3::bigint"
    " ORDER BY claim_us LIMIT $2::int FOR UPDATE SKIP LOCKED))"
    " AND claim_us < (extract(epoch FROM now()) * 1000000)::bigint - $3::bigint"};

std::string Micros(absl::Duration duration) {
  return absl::StrCat(absl::ToInt64Microseconds(duration));
}

}  // namespace

absl::StatusOr<std::vector<StatusCount>> Count(const ReadAccess& read,
                                               const std::string& name_space) {
  absl::StatusOr<Rows> rows = read.Read({kCount, {name_space}});
  if (!rows.ok()) return rows.status();
  std::vector<StatusCount> counts;
  for (int row = 0; row < rows->size(); ++row) {
    const auto status = domain::StatusFromCode(rows->Int(row, 1));
    if (!status) return absl::DataLossError("tracker.task_count has an unknown status");
    counts.push_back({std::string(rows->Text(row, 0)), *status, rows->Int(row, 2)});
  }
  return counts;
}

absl::StatusOr<CountCheck> CheckCounts(const ReadAccess& read, const GoOn& go_on) {
  absl::StatusOr<Rows> rows = read.With([&](Connection& connection) -> absl::StatusOr<Rows> {
    if (absl::Status begun = connection.Begin(); !begun.ok()) return begun;
    // It reads every task: once and in the table's order, however long that takes.
    for (const char* sql : {"SET LOCAL statement_timeout = '30min'",
                            "SET LOCAL enable_seqscan = on", "SET LOCAL plan_cache_mode = auto"}) {
      if (absl::StatusOr<Rows> set = connection.ExecuteText(sql); !set.ok()) return set.status();
    }
    absl::StatusOr<Rows> checked = ExecuteStoppable(connection, {kCheckCounts, {}}, go_on);
    connection.Rollback();
    return checked;
  });
  if (!rows.ok()) return rows.status();
  CountCheck check;
  for (int row = 0; row < rows->size(); ++row) {
    check.tasks = rows->Int(row, 0);
    if (rows->IsNull(row, 1)) continue;
    const auto status = domain::StatusFromCode(rows->Int(row, 2));
    if (!status) return absl::DataLossError("there is a task, or a counter, of unknown status");
    check.mismatches.push_back(
        {std::string(rows->Text(row, 1)), *status, rows->Int(row, 3), rows->Int(row, 4)});
  }
  return check;
}

absl::StatusOr<AttemptCount> CountAttempts(const ReadAccess& read, const std::string& name_space,
                                           absl::Duration window, absl::Time since) {
  absl::StatusOr<Rows> rows =
      read.Read({kCountAttempts,
                 {name_space, absl::StrCat(absl::ToUnixMicros(since)),
                  Micros(window - read.ClockOffset()), AllBuckets(read.buckets())}});
  if (!rows.ok()) return rows.status();
  return AttemptCount{rows->Int(0, 0), rows->Int(0, 1)};
}

absl::Status Tidy(const ReadAccess& read) {
  const std::string claim_age = Micros(limits::kClaimMemory - read.ClockOffset());
  const std::string attempt_age = Micros(limits::kMaxPauseWindow - read.ClockOffset());
  for (int bucket = 0; bucket < read.buckets(); ++bucket) {
    const std::string in = absl::StrCat(bucket);
    absl::StatusOr<Rows> excess = read.Read({kExcessCounts, {in}});
    if (!excess.ok()) return excess.status();
    // A statement that finds nothing to do writes nothing.
    std::vector<StatementCall> calls = {
        {kFoldAttempts, {in, absl::StrCat(kFoldRows), attempt_age}},
        {kForgetClaims, {in, absl::StrCat(kForgetRows), claim_age}}};
    if (excess->Int(0, 0) >= kFoldFrom) {
      calls.push_back({kFoldCounts, {in, absl::StrCat(kFoldRows)}});
    }
    if (absl::Status status = read.Write(calls); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace tracker::store::postgres
