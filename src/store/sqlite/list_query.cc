#include "src/store/sqlite/list_query.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "src/store/errors_json.h"
#include "src/store/list_filter.h"
#include "src/store/sqlite/task_row.h"

namespace tracker::store::sqlite {
namespace {

using domain::Status;

// The columns of the scan.
enum Column { kRowId, kTime, kId, kMatches, kErrors };

// The first text, byte by byte, that does not begin with `prefix`, which is not empty and behind
// all that do. Empty: there is none.
std::string Behind(std::string prefix) {
  while (!prefix.empty() && prefix.back() == '\xFF') prefix.pop_back();
  if (!prefix.empty()) prefix.back() = static_cast<char>(prefix.back() + 1);
  return prefix;
}

// The rows in the page's order, matching or not: the filter is a column, so that the scan can be
// bounded.
class Scan {
 public:
  explicit Scan(const ListQuery& query) : query_(query), behind_prefix_(Behind(query.id_prefix)) {}

  absl::StatusOr<Statement> Begin(Connection& connection) const {
    absl::StatusOr<Statement> scan = connection.PrepareOnce(Sql());
    if (!scan.ok()) return scan;
    if (!query_.id_prefix.empty()) scan->Bind(query_.id_prefix);
    if (!behind_prefix_.empty()) scan->Bind(behind_prefix_);
    if (!query_.worker.empty()) scan->Bind(query_.worker);
    if (query_.error_fingerprint != 0) scan->Bind(query_.error_fingerprint);
    scan->Bind(query_.name_space);
    if (query_.after) scan->Bind(absl::ToUnixMicros(query_.after->time)).Bind(query_.after->id);
    // One more tells whether another page follows.
    scan->Bind(int64_t{std::max(1, query_.scan_limit)} + 1);
    return scan;
  }

 private:
  std::string Filter() const {
    std::string filter = StatusFilter(query_.statuses);
    if (!query_.id_prefix.empty()) filter += " AND id >= ?";
    if (!behind_prefix_.empty()) filter += " AND id < ?";
    if (!query_.worker.empty()) filter += " AND worker = ?";
    if (query_.error_fingerprint != 0) filter += " AND error_print = ?";
    return filter;
  }

  std::string Sql() const {
    const bool by_update = query_.order == Order::kUpdatedFirst;
    const bool descending = query_.order != Order::kOldestFirst;
    const absl::string_view time = by_update ? "update_us" : "create_us";
    const absl::string_view direction = descending ? " DESC" : " ASC";
    const bool only_errors = OnlyWithErrors(query_);
    const absl::string_view index =
        by_update ? "task_update" : (only_errors ? "task_error" : "task_create");
    return absl::StrCat(
        "SELECT rowid, ", time, ", id, ", Filter(), " AS matches",
        query_.error_text.empty() ? "" : ", errors", " FROM task INDEXED BY ", index,
        " WHERE namespace = ?", only_errors ? " AND error_print <> 0" : "",
        query_.after ? absl::StrCat(" AND (", time, ", id) ", descending ? "<" : ">", " (?, ?)")
                     : "",
        " ORDER BY ", time, direction, ", id", direction, " LIMIT ?");
  }

  const ListQuery& query_;
  const std::string behind_prefix_;
};

// Whether the row's errors have the text in one of their messages. `lower`: in lower case.
absl::StatusOr<bool> HasText(const Statement& scan, const std::string& lower) {
  const absl::StatusOr<std::vector<domain::TaskError>> errors = DecodeErrors(scan.Text(kErrors));
  if (!errors.ok()) return errors.status();
  return absl::c_any_of(*errors, [&](const domain::TaskError& error) {
    return absl::StrContains(absl::AsciiStrToLower(error.message), lower);
  });
}

absl::StatusOr<domain::Task> ReadByRowId(Statement& select, int64_t row_id) {
  const absl::StatusOr<bool> row = select.Reuse().Bind(row_id).Step();
  if (!row.ok()) return row.status();
  if (!*row) return absl::DataLossError("an index of the database has a row that is not there");
  return ReadTask(select);
}

}  // namespace

std::string StatusFilter(const std::vector<Status>& statuses) {
  if (statuses.empty()) return "1";
  return absl::StrCat("status IN (",
                      absl::StrJoin(statuses, ",",
                                    [](std::string* out, Status status) {
                                      absl::StrAppend(out, static_cast<int>(status));
                                    }),
                      ")");
}

absl::StatusOr<Page> ReadPage(Connection& connection, const ListQuery& query) {
  const Deadline deadline(connection, kReadPatience);
  // The scan and the rows it finds are of one moment.
  const absl::StatusOr<Transaction> snapshot = Transaction::BeginRead(connection);
  if (!snapshot.ok()) return snapshot.status();
  // It holds what the statement has bound.
  const Scan places(query);
  absl::StatusOr<Statement> scan = places.Begin(connection);
  if (!scan.ok()) return scan.status();
  static const std::string kSelectByRowId =
      absl::StrCat("SELECT ", kTaskColumns, " FROM task WHERE rowid = ?");
  absl::StatusOr<Statement> select = connection.Prepare(kSelectByRowId);
  if (!select.ok()) return select.status();
  const std::string error_text = absl::AsciiStrToLower(query.error_text);

  Page page;
  size_t bytes = 0;
  // The last row looked at.
  std::optional<Cursor> last;
  while (true) {
    const absl::StatusOr<bool> row = scan->Step();
    if (!row.ok()) return row.status();
    if (!*row) return page;
    page.next = last;
    if (page.scanned == std::max(1, query.scan_limit)) return page;
    absl::StatusOr<bool> matches = scan->Int(kMatches) != 0;
    if (*matches && !error_text.empty()) matches = HasText(*scan, error_text);
    if (!matches.ok()) return matches.status();
    if (*matches) {
      if (static_cast<int>(page.tasks.size()) == std::max(1, query.limit)) return page;
      absl::StatusOr<domain::Task> task = ReadByRowId(*select, scan->Int(kRowId));
      if (!task.ok()) return task.status();
      task->lock.clear();
      bytes += domain::ByteSize(*task);
      if (!page.tasks.empty() && bytes > query.byte_limit) return page;
      page.tasks.push_back(*std::move(task));
    }
    page.next.reset();
    ++page.scanned;
    last = Cursor{absl::FromUnixMicros(scan->Int(kTime)), scan->Text(kId)};
  }
}

}  // namespace tracker::store::sqlite
