#include "src/store/postgres/count_folder.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace tracker::store::postgres {
namespace {

// Counter rows folded in one step.
constexpr int kFoldRows = 10000;
// Fewer superfluous counter rows than this cost a Count nothing worth a write.
constexpr int64_t kFoldFrom = 200;
// More than this a Count of one namespace would feel.
constexpr int64_t kFoldAtLatest = 10000;
// Steps, of a second each, between two looks that nothing calls for.
constexpr int kLookEvery = 60;

const Statement kAppended = {
    "counts_appended",
    "SELECT coalesce(pg_stat_get_tuples_inserted(c), 0), coalesce(pg_stat_get_live_tuples(c), 0)"
    " FROM (SELECT 'tracker.task_count'::regclass AS c) AS one"};

const Statement kExcessCounts = {
    "excess_counts",
    "SELECT count(*) - count(DISTINCT (namespace, status)) FROM tracker.task_count"
    " WHERE bucket = $1::int"};

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

}  // namespace

int64_t WorthALook(int64_t rows) { return std::clamp(rows / 10, kFoldFrom, kFoldAtLatest); }

bool CountFolder::Due(int64_t appended, int64_t rows) {
  absl::MutexLock lock(&mutex_);
  // Fewer than before: the statistics were reset.
  const bool due = !looked_at_ || appended < *looked_at_ ||
                   appended - *looked_at_ >= WorthALook(rows) || ++steps_since_ >= kLookEvery;
  if (due) {
    looked_at_ = appended;
    steps_since_ = 0;
  }
  return due;
}

absl::Status CountFolder::Step(const ReadAccess& read) {
  absl::StatusOr<Rows> written = read.Read({kAppended, {}});
  if (!written.ok()) return written.status();
  if (!Due(written->Int(0, 0), written->Int(0, 1))) return absl::OkStatus();
  absl::Status status;
  bool more = false;
  for (int bucket = 0; bucket < read.buckets() && status.ok(); ++bucket) {
    const std::string in = absl::StrCat(bucket);
    absl::StatusOr<Rows> excess = read.Read({kExcessCounts, {in}});
    status = excess.status();
    if (!status.ok() || excess->Int(0, 0) < kFoldFrom) continue;
    status = read.Write({{kFoldCounts, {in, absl::StrCat(kFoldRows)}}});
    more |= excess->Int(0, 0) >= kFoldRows;
  }
  if (more || !status.ok()) {
    absl::MutexLock lock(&mutex_);
    looked_at_.reset();
  }
  return status;
}

}  // namespace tracker::store::postgres
