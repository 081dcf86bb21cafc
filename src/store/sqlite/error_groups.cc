#include "src/store/sqlite/error_groups.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "src/store/sqlite/list_query.h"
#include "src/store/sqlite/task_row.h"

namespace tracker::store::sqlite {
namespace {

using Groups = absl::flat_hash_map<int64_t, ErrorGroup>;

void Add(Groups& groups, int64_t fingerprint, absl::Time time, std::string id) {
  const auto [found, is_new] = groups.try_emplace(fingerprint);
  ErrorGroup& group = found->second;
  group.fingerprint = fingerprint;
  group.count += 1;
  group.first = is_new ? time : std::min(group.first, time);
  if (!is_new && time <= group.last) return;
  group.last = time;
  group.id = std::move(id);
}

// The most frequent ones first.
std::vector<ErrorGroup> Largest(Groups groups, int limit) {
  std::vector<ErrorGroup> sorted;
  sorted.reserve(groups.size());
  for (auto& [fingerprint, group] : groups) sorted.push_back(std::move(group));
  const size_t kept = std::min(sorted.size(), static_cast<size_t>(std::max(0, limit)));
  std::partial_sort(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(kept),
                    sorted.end(), [](const ErrorGroup& a, const ErrorGroup& b) {
                      return std::tie(b.count, b.last, b.fingerprint) <
                             std::tie(a.count, a.last, a.fingerprint);
                    });
  sorted.resize(kept);
  return sorted;
}

absl::Status ReadMessage(Connection& connection, const std::string& name_space, ErrorGroup& group) {
  absl::StatusOr<Statement> select = SelectByKey(connection);
  if (!select.ok()) return select.status();
  const absl::StatusOr<bool> row = select->Bind(name_space).Bind(group.id).Step();
  if (!row.ok() || !*row) return row.status();
  const absl::StatusOr<domain::Task> task = ReadTask(*select);
  if (!task.ok()) return absl::OkStatus();  // Not Tracker's row; its group is still worth knowing.
  const domain::TaskError* problem = domain::LastProblem(*task);
  if (problem != nullptr) group.message = problem->message;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ErrorGroups> GroupErrors(Connection& connection, const ErrorGroupQuery& query,
                                        const GoOn& go_on) {
  const Deadline deadline(connection, kReadPatience, go_on);
  const absl::StatusOr<Transaction> snapshot = Transaction::BeginRead(connection);
  if (!snapshot.ok()) return snapshot.status();
  absl::StatusOr<Statement> scan = connection.PrepareOnce(
      absl::StrCat("SELECT error_print, error_us, id, ", StatusFilter(query.statuses),
                   " FROM task INDEXED BY task_error WHERE namespace = ? AND error_print <> 0 "
                   "ORDER BY create_us DESC, id DESC LIMIT ?"));
  if (!scan.ok()) return scan.status();
  // One more tells whether there are older ones.
  const int64_t scan_limit = std::max(1, query.scan_limit);
  scan->Bind(query.name_space).Bind(scan_limit + 1);
  ErrorGroups answer;
  Groups groups;
  while (true) {
    const absl::StatusOr<bool> row = scan->Step();
    if (!row.ok()) return WhyEnded(row.status(), go_on);
    if (!*row) break;
    if (answer.scanned == scan_limit) {
      answer.truncated = true;
      break;
    }
    ++answer.scanned;
    if (scan->Int(3) == 0) continue;
    Add(groups, scan->Int(0), absl::FromUnixMicros(scan->Int(1)), scan->Text(2));
  }
  answer.groups = Largest(std::move(groups), query.limit);
  for (ErrorGroup& group : answer.groups) {
    const absl::Status status = ReadMessage(connection, query.name_space, group);
    if (!status.ok()) return status;
  }
  return answer;
}

}  // namespace tracker::store::sqlite
