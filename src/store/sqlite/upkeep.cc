#include "src/store/sqlite/upkeep.h"

#include <algorithm>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "src/base/limits.h"
#include "src/domain/task.h"
#include "src/store/sqlite/policies.h"
#include "src/store/sqlite/task_row.h"

namespace tracker::store::sqlite {
namespace {

// Rows that one Tidy forgets at most, of each table: some ten milliseconds of the write lock.
constexpr int64_t kTidyRows = 5000;

absl::Status Forget(Connection& connection, absl::string_view sql, int64_t before) {
  absl::StatusOr<Statement> forget = connection.Prepare(sql);
  if (!forget.ok()) return forget.status();
  return forget->Bind(before).Bind(kTidyRows).Run();
}

std::string FinishedSql(const FinishedQuery& query) {
  return absl::StrCat(
      "SELECT update_us, id, status FROM task INDEXED BY task_update "
      "WHERE namespace = ? AND update_us <= ?",
      query.after ? " AND (update_us, id) > (?, ?)" : "", " ORDER BY update_us, id LIMIT ?");
}

}  // namespace

absl::StatusOr<std::vector<domain::TaskKey>> ListDue(Connection& connection, int limit,
                                                     absl::Time now) {
  // The literal is what lets the partial index serve.
  absl::StatusOr<Statement> select = connection.Prepare(
      "SELECT namespace, id FROM task INDEXED BY task_alarm "
      "WHERE alarm_us <> 0 AND alarm_us <= ? ORDER BY alarm_us LIMIT ?");
  if (!select.ok()) return select.status();
  select->Bind(absl::ToUnixMicros(now)).Bind(int64_t{std::max(0, limit)});
  return ReadKeys(*select);
}

absl::StatusOr<FinishedPage> ListFinished(Connection& connection, const FinishedQuery& query,
                                          absl::Time now) {
  FinishedPage page;
  page.before = now - query.age;
  absl::StatusOr<Statement> scan = connection.Prepare(FinishedSql(query));
  if (!scan.ok()) return scan.status();
  scan->Bind(query.name_space).Bind(absl::ToUnixMicros(page.before));
  if (query.after) scan->Bind(absl::ToUnixMicros(query.after->time)).Bind(query.after->id);
  // Old tasks that are not finished lie between; one more row tells whether there are more.
  scan->Bind(int64_t{limits::kPageScan} + 1);
  std::optional<Cursor> last;
  while (true) {
    const absl::StatusOr<bool> row = scan->Step();
    if (!row.ok()) return row.status();
    if (!*row) return page;
    if (page.scanned == limits::kPageScan ||
        static_cast<int>(page.keys.size()) == std::max(1, query.limit)) {
      page.next = last;
      return page;
    }
    ++page.scanned;
    last = Cursor{absl::FromUnixMicros(scan->Int(0)), scan->Text(1)};
    const std::optional<domain::Status> status = domain::StatusFromCode(scan->Int(2));
    if (status && domain::Finished(*status)) page.keys.push_back({query.name_space, last->id});
  }
}

absl::Status Tidy(Connection& connection, absl::Time now) {
  absl::Status status =
      Forget(connection,
             "DELETE FROM claim WHERE rowid IN (SELECT rowid FROM claim INDEXED BY claim_age "
             "WHERE claim_us <= ? ORDER BY claim_us LIMIT ?)",
             absl::ToUnixMicros(now - limits::kClaimMemory));
  if (!status.ok()) return status;
  status = ForgetPolicies(connection, now - limits::kPolicyMemory);
  if (!status.ok()) return status;
  return Forget(connection,
                "DELETE FROM attempt_count WHERE rowid IN (SELECT rowid FROM attempt_count "
                "INDEXED BY attempt_count_age WHERE second < ? ORDER BY second LIMIT ?)",
                absl::ToUnixSeconds(now - limits::kMaxPauseWindow));
}

}  // namespace tracker::store::sqlite
