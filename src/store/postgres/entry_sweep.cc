#include "src/store/postgres/entry_sweep.h"

#include "absl/strings/str_cat.h"
#include "src/base/limits.h"

namespace tracker::store::postgres {
namespace {

const Statement kSweepReady = {
    "sweep_ready",
    "WITH seen AS MATERIALIZED (SELECT e.*, t.holds FROM ("
    "SELECT ctid AS place, namespace, rank, available_us, id,"
    " row_number() OVER (ORDER BY rank, available_us, id) AS n FROM tracker.ready"
    " WHERE bucket = $1::int AND namespace = $2::text"
    " AND (rank, available_us, id) > ($3::bigint, $4::bigint, $5::text)"
    " ORDER BY rank, available_us, id LIMIT $6::int) e" TRACKER_BEHIND_ENTRY(
        TRACKER_READY_HOLDS) "),"
    " gone AS (DELETE FROM tracker.ready WHERE bucket = $1::int AND ctid = ANY (ARRAY("
    "SELECT place FROM seen WHERE holds IS NOT TRUE)) RETURNING 1)"
    " SELECT (SELECT count(*) FROM gone), s.rank, s.available_us, s.id"
    " FROM (VALUES (1)) AS one LEFT JOIN seen s ON s.n = $6::int"};

const Statement kSweepDue = {
    "sweep_due",
    "WITH gone AS (DELETE FROM tracker.alarm WHERE bucket = $1::int AND ctid = ANY (ARRAY("
    "SELECT e.place FROM (SELECT ctid AS place, due_us, namespace, id, held FROM tracker.alarm"
    " WHERE bucket = $1::int"
    " AND due_us <= (extract(epoch FROM now()) * 1000000)::bigint + $3::bigint"
    " ORDER BY due_us, namespace, id LIMIT $2::int) e" TRACKER_BEHIND_ENTRY(
        TRACKER_ALARM_HOLDS) " WHERE t.holds IS NOT TRUE)) RETURNING 1)"
                             " SELECT count(*) FROM gone"};

}  // namespace

absl::StatusOr<SweptReady> SweepReady(Connection& connection, int bucket,
                                      const std::string& name_space, const ClaimPlace& from) {
  absl::StatusOr<Rows> rows = connection.Execute(
      {kSweepReady,
       {absl::StrCat(bucket), name_space, absl::StrCat(from.rank), absl::StrCat(from.available_us),
        from.id, absl::StrCat(limits::kClaimScan)}});
  if (!rows.ok()) return rows.status();
  SweptReady swept{.removed = rows->Int(0, 0)};
  if (!rows->IsNull(0, 1)) {
    swept.last = ClaimPlace{rows->Int(0, 1), rows->Int(0, 2), std::string(rows->Text(0, 3))};
  }
  return swept;
}

absl::StatusOr<int64_t> SweepDue(Connection& connection, int bucket, int limit, int64_t offset_us) {
  absl::StatusOr<Rows> rows = connection.Execute(
      {kSweepDue, {absl::StrCat(bucket), absl::StrCat(limit), absl::StrCat(offset_us)}});
  if (!rows.ok()) return rows.status();
  return rows->Int(0, 0);
}

}  // namespace tracker::store::postgres
