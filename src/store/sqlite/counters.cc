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

// Of a statement whose columns are namespace, status, count.
absl::StatusOr<std::vector<StatusCount>> ReadAll(Statement& select) {
  std::vector<StatusCount> counts;
  while (true) {
    const absl::StatusOr<bool> row = select.Step();
    if (!row.ok()) return row.status();
    if (!*row) return counts;
    const std::optional<domain::Status> status = domain::StatusFromCode(select.Int(1));
    if (!status) return absl::DataLossError("the counters hold an unknown status");
    counts.push_back({select.Text(0), *status, select.Int(2)});
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

absl::StatusOr<std::vector<StatusCount>> ReadCounts(Connection& connection,
                                                    const std::string& name_space) {
  absl::StatusOr<Statement> select = connection.Prepare(
      "SELECT namespace, status, n FROM task_count WHERE n <> 0 AND (?1 = '' OR namespace = ?1) "
      "ORDER BY namespace, status");
  if (!select.ok()) return select.status();
  select->Bind(name_space);
  return ReadAll(*select);
}

absl::StatusOr<CountCheck> CheckCounts(Connection& connection, const GoOn& go_on) {
  const Deadline deadline(connection, kRecount, go_on);
  // One snapshot for both.
  const absl::StatusOr<Transaction> snapshot = Transaction::BeginRead(connection);
  if (!snapshot.ok()) return snapshot.status();
  const absl::StatusOr<std::vector<StatusCount>> counted = ReadCounts(connection, "");
  if (!counted.ok()) return WhyEnded(counted.status(), go_on);
  absl::StatusOr<Statement> recount = connection.Prepare(
      "SELECT namespace, status, count(*) FROM task NOT INDEXED GROUP BY namespace, status");
  if (!recount.ok()) return recount.status();
  const absl::StatusOr<std::vector<StatusCount>> actual = ReadAll(*recount);
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

absl::StatusOr<AttemptCount> CountAttempts(Connection& connection, const std::string& name_space,
                                           absl::Time from, absl::Time since) {
  // An attempt counts as of the beginning of its second; ToUnixSeconds rounds down.
  const int64_t first = std::max(absl::ToUnixSeconds(from - absl::Microseconds(1)) + 1,
                                 absl::ToUnixSeconds(since) + 1);
  absl::StatusOr<Statement> sum = connection.Prepare(
      "SELECT coalesce(sum(ended), 0), coalesce(sum(failed), 0) FROM attempt_count "
      "WHERE namespace = ? AND second >= ?");
  if (!sum.ok()) return sum.status();
  sum->Bind(name_space).Bind(first);
  const absl::StatusOr<bool> row = sum->Step();
  if (!row.ok()) return row.status();
  return AttemptCount{sum->Int(0), sum->Int(1)};
}

}  // namespace tracker::store::sqlite
