#include "src/store/sqlite/counters.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "src/domain/task.h"

namespace tracker::store::sqlite {
namespace {

// How long a recount of everything may take.
constexpr absl::Duration kRecount = absl::Minutes(30);

// Of a statement whose columns are namespace, status, count. None after the last.
absl::StatusOr<std::optional<StatusCount>> ReadOne(Statement& select) {
  const absl::StatusOr<bool> row = select.Step();
  if (!row.ok()) return row.status();
  if (!*row) return std::nullopt;
  const std::optional<domain::Status> status = domain::StatusFromCode(select.Int(1));
  if (!status) return absl::DataLossError("the counters hold an unknown status");
  return StatusCount{select.Text(0), *status, select.Int(2)};
}

absl::StatusOr<std::vector<StatusCount>> ReadAll(Connection& connection, absl::string_view sql) {
  absl::StatusOr<Statement> select = connection.Prepare(sql);
  if (!select.ok()) return select.status();
  std::vector<StatusCount> counts;
  while (true) {
    absl::StatusOr<std::optional<StatusCount>> count = ReadOne(*select);
    if (!count.ok()) return count.status();
    if (!*count) return counts;
    counts.push_back(**std::move(count));
  }
}

}  // namespace

absl::Status AddCounts(Connection& connection, const Batch::CountDeltas& deltas) {
  absl::StatusOr<Statement> add = connection.Prepare(
      "INSERT INTO task_count (namespace, status, n) VALUES (?, ?, ?) "
      "ON CONFLICT (namespace, status) DO UPDATE SET n = n + excluded.n");
  if (!add.ok()) return add.status();
  for (const auto& [key, delta] : deltas) {
    const absl::Status status =
        add->Reuse().Bind(key.first).Bind(static_cast<int64_t>(key.second)).Bind(delta).Run();
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status AddAttempts(Connection& connection, const Batch::AttemptDeltas& deltas,
                         absl::Time now) {
  absl::StatusOr<Statement> add = connection.Prepare(
      "INSERT INTO attempt_count (namespace, second, ended, failed) VALUES (?, ?, ?, ?) "
      "ON CONFLICT (namespace, second) DO UPDATE SET ended = ended + excluded.ended, "
      "failed = failed + excluded.failed");
  if (!add.ok()) return add.status();
  for (const auto& [name_space, count] : deltas) {
    const absl::Status status = add->Reuse()
                                    .Bind(name_space)
                                    .Bind(absl::ToUnixSeconds(now))
                                    .Bind(count.ended)
                                    .Bind(count.failed)
                                    .Run();
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<CountPage> ReadCounts(Connection& connection, const CountQuery& query) {
  const bool one = !query.name_space.empty();
  absl::StatusOr<Statement> select = connection.Prepare(
      one ? "SELECT namespace, status, n FROM task_count WHERE n <> 0 AND namespace = ? "
            "ORDER BY status"
          : "SELECT namespace, status, n FROM task_count WHERE n <> 0 AND namespace > ? "
            "ORDER BY namespace, status");
  if (!select.ok()) return select.status();
  select->Bind(one ? query.name_space : query.after);
  CountPage page;
  int namespaces = 0;
  while (true) {
    absl::StatusOr<std::optional<StatusCount>> count = ReadOne(*select);
    if (!count.ok()) return count.status();
    if (!*count) return page;
    const bool first = page.counts.empty() || page.counts.back().name_space != (*count)->name_space;
    if (first && ++namespaces > query.limit) {
      page.next = page.counts.back().name_space;
      return page;
    }
    page.counts.push_back(**std::move(count));
  }
}

absl::StatusOr<CountCheck> CheckCounts(Connection& connection, const GoOn& go_on) {
  const Deadline deadline(connection, kRecount, go_on);
  // One snapshot for both.
  const absl::StatusOr<Transaction> snapshot = Transaction::BeginRead(connection);
  if (!snapshot.ok()) return snapshot.status();
  const absl::StatusOr<std::vector<StatusCount>> counted =
      ReadAll(connection, "SELECT namespace, status, n FROM task_count WHERE n <> 0");
  if (!counted.ok()) return WhyEnded(counted.status(), go_on);
  const absl::StatusOr<std::vector<StatusCount>> actual = ReadAll(
      connection,
      "SELECT namespace, status, count(*) FROM task NOT INDEXED GROUP BY namespace, status");
  if (!actual.ok()) return WhyEnded(actual.status(), go_on);

  CountCheck check;
  std::map<std::pair<std::string, domain::Status>, CountMismatch> compared;
  const auto entry = [&](const StatusCount& count) -> CountMismatch& {
    CountMismatch& found = compared[{count.name_space, count.status}];
    found.name_space = count.name_space;
    found.status = count.status;
    return found;
  };
  for (const StatusCount& count : *counted) entry(count).counted = count.count;
  for (const StatusCount& count : *actual) {
    entry(count).actual = count.count;
    check.tasks += count.count;
  }
  for (auto& [key, both] : compared) {
    if (both.counted != both.actual) check.mismatches.push_back(std::move(both));
  }
  return check;
}

absl::Status RepairCounts(Connection& connection, const std::string& name_space) {
  absl::StatusOr<Statement> clear =
      connection.Prepare("DELETE FROM task_count WHERE namespace = ?");
  if (!clear.ok()) return clear.status();
  if (absl::Status status = clear->Bind(name_space).Run(); !status.ok()) return status;
  absl::StatusOr<Statement> count = connection.Prepare(
      "INSERT INTO task_count (namespace, status, n) SELECT namespace, status, count(*) "
      "FROM task WHERE namespace = ? GROUP BY status");
  if (!count.ok()) return count.status();
  return count->Bind(name_space).Run();
}

absl::StatusOr<std::vector<AttemptCount>> CountAttempts(Connection& connection,
                                                        const std::vector<AttemptQuery>& queries,
                                                        absl::Time now) {
  absl::StatusOr<Statement> sum = connection.Prepare(
      "SELECT coalesce(sum(ended), 0), coalesce(sum(failed), 0) FROM attempt_count "
      "WHERE namespace = ? AND second >= ?");
  if (!sum.ok()) return sum.status();
  std::vector<AttemptCount> counts;
  counts.reserve(queries.size());
  for (const AttemptQuery& query : queries) {
    // An attempt counts as of the beginning of its second; ToUnixSeconds rounds down.
    const absl::Time from = now - query.window;
    const int64_t first = std::max(absl::ToUnixSeconds(from - absl::Microseconds(1)) + 1,
                                   absl::ToUnixSeconds(query.since) + 1);
    const absl::StatusOr<bool> row = sum->Reuse().Bind(query.name_space).Bind(first).Step();
    if (!row.ok()) return row.status();
    counts.push_back({sum->Int(0), sum->Int(1)});
  }
  return counts;
}

absl::StatusOr<std::vector<std::string>> ListAttempted(Connection& connection,
                                                       const std::string& after, int limit) {
  // By one probe each, however many seconds each has.
  absl::StatusOr<Statement> next =
      connection.Prepare("SELECT min(namespace) FROM attempt_count WHERE namespace > ?");
  if (!next.ok()) return next.status();
  std::vector<std::string> namespaces;
  std::string last = after;
  while (static_cast<int>(namespaces.size()) < limit) {
    const absl::StatusOr<bool> row = next->Reuse().Bind(last).Step();
    if (!row.ok()) return row.status();
    std::string found = next->Text(0);
    if (found.empty()) break;
    namespaces.push_back(found);
    last = std::move(found);
  }
  return namespaces;
}

}  // namespace tracker::store::sqlite
