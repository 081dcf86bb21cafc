#include "src/store/postgres/counters.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "src/base/limits.h"
#include "src/store/postgres/array_literal.h"
#include "src/store/postgres/statements.h"
#include "src/store/postgres/stoppable.h"

namespace tracker::store::postgres {
namespace {

// Rows of attempts folded in one step.
constexpr int kFoldRows = 10000;
// Claims forgotten in one step: more than can be made in the second until the next.
constexpr int kForgetRows = 5000;

// Of one namespace. $1 buckets, $2 namespace. The same columns as kCountPage's.
const Statement kCount = {"count",
                          "SELECT $2::text, status, sum(n)::bigint FROM tracker.task_count"
                          " WHERE bucket = ANY ($1::int[]) AND namespace = $2::text"
                          " GROUP BY status HAVING sum(n) <> 0 ORDER BY status"};

// The first namespace behind `after` in a table whose index begins with bucket and namespace: one
// probe a bucket, however many rows each namespace has.
#define TRACKER_NEXT_NAMESPACE(table, after)                                          \
  "(SELECT min(f.namespace) FROM unnest($1::int[]) AS b(bucket) CROSS JOIN LATERAL (" \
  "SELECT namespace FROM " table " WHERE bucket = b.bucket AND namespace > " after    \
  " ORDER BY namespace LIMIT 1) f)"

// A table's namespaces in order. $1 buckets, $2 to go on after, $3 how many.
#define TRACKER_NAMESPACES(table) \
  "WITH RECURSIVE names(namespace, n) AS ("                                                    \
  "SELECT " TRACKER_NEXT_NAMESPACE(table, "$2::text") ", 1"                                    \
  " UNION ALL SELECT " TRACKER_NEXT_NAMESPACE(table, "names.namespace") ", names.n + 1"        \
  " FROM names WHERE names.namespace IS NOT NULL AND names.n < $3::int)"

// Each namespace has a row at least, with NULLs where its counters come to nothing.
const Statement kCountPage = {
    "count_page",
    TRACKER_NAMESPACES("tracker.task_count")
    " SELECT names.namespace, c.status, c.n FROM names LEFT JOIN LATERAL ("
    "SELECT status, sum(n)::bigint AS n FROM tracker.task_count"
    " WHERE bucket = ANY ($1::int[]) AND namespace = names.namespace"
    " GROUP BY status HAVING sum(n) <> 0 OFFSET 0) c ON true"
    " WHERE names.namespace IS NOT NULL ORDER BY names.namespace, c.status"};

const Statement kListAttempted = {"list_attempted",
                                  TRACKER_NAMESPACES("tracker.attempt_count")
                                  " SELECT namespace FROM names WHERE namespace IS NOT NULL"
                                  " ORDER BY namespace"};

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

// $1 namespaces, $2 after when and $3 how long ago at most, each in microseconds of the database's
// clock, $4 buckets.
const Statement kCountAttempts = {
    "count_attempts",
    "SELECT coalesce(c.ended, 0)::bigint, coalesce(c.failed, 0)::bigint"
    " FROM unnest($1::text[], $2::bigint[], $3::bigint[]) WITH ORDINALITY"
    " AS q(namespace, since_us, window_us, i) CROSS JOIN LATERAL ("
    "SELECT sum(ended) AS ended, sum(failed) AS failed FROM tracker.attempt_count"
    " WHERE bucket = ANY ($4::int[]) AND namespace = q.namespace"
    " AND second_us > greatest(q.since_us,"
    " (extract(epoch FROM now()) * 1000000)::bigint - q.window_us) OFFSET 0) c ORDER BY q.i"};

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

absl::StatusOr<CountPage> Count(const ReadAccess& read, const CountQuery& query) {
  const std::string buckets = AllBuckets(read.buckets());
  // One more tells whether there is a next page.
  absl::StatusOr<Rows> rows =
      query.name_space.empty()
          ? read.Read({kCountPage, {buckets, query.after, absl::StrCat(query.limit + 1)}})
          : read.Read({kCount, {buckets, query.name_space}});
  if (!rows.ok()) return rows.status();
  CountPage page;
  int namespaces = 0;
  std::string last;
  for (int row = 0; row < rows->size(); ++row) {
    if (namespaces == 0 || rows->Text(row, 0) != last) {
      if (++namespaces > query.limit) {
        page.next = last;
        break;
      }
      last = std::string(rows->Text(row, 0));
    }
    if (rows->IsNull(row, 1)) continue;
    const auto status = domain::StatusFromCode(rows->Int(row, 1));
    if (!status) return absl::DataLossError("the counters hold an unknown status");
    page.counts.push_back({last, *status, rows->Int(row, 2)});
  }
  return page;
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

absl::StatusOr<std::vector<AttemptCount>> CountAttempts(const ReadAccess& read,
                                                        const std::vector<AttemptQuery>& queries) {
  ArrayLiteral namespaces, sinces, windows;
  for (const AttemptQuery& query : queries) {
    namespaces.AddText(query.name_space);
    sinces.Add(absl::ToUnixMicros(query.since));
    windows.Add(absl::ToInt64Microseconds(query.window - read.ClockOffset()));
  }
  absl::StatusOr<Rows> rows =
      read.Read({kCountAttempts,
                 {namespaces.Take(), sinces.Take(), windows.Take(), AllBuckets(read.buckets())}});
  if (!rows.ok()) return rows.status();
  std::vector<AttemptCount> counts;
  counts.reserve(rows->size());
  for (int row = 0; row < rows->size(); ++row) {
    counts.push_back({rows->Int(row, 0), rows->Int(row, 1)});
  }
  return counts;
}

absl::StatusOr<std::vector<std::string>> ListAttempted(const ReadAccess& read,
                                                       const std::string& after, int limit) {
  absl::StatusOr<Rows> rows =
      read.Read({kListAttempted, {AllBuckets(read.buckets()), after, absl::StrCat(limit)}});
  if (!rows.ok()) return rows.status();
  std::vector<std::string> namespaces;
  namespaces.reserve(rows->size());
  for (int row = 0; row < rows->size(); ++row) namespaces.emplace_back(rows->Text(row, 0));
  return namespaces;
}

absl::Status Tidy(const ReadAccess& read) {
  const std::string claim_age = Micros(limits::kClaimMemory - read.ClockOffset());
  const std::string attempt_age = Micros(limits::kMaxPauseWindow - read.ClockOffset());
  for (int bucket = 0; bucket < read.buckets(); ++bucket) {
    const std::string in = absl::StrCat(bucket);
    // A statement that finds nothing to do writes nothing.
    const std::vector<StatementCall> calls = {
        {kFoldAttempts, {in, absl::StrCat(kFoldRows), attempt_age}},
        {kForgetClaims, {in, absl::StrCat(kForgetRows), claim_age}}};
    if (absl::Status status = read.Write(calls); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace tracker::store::postgres
