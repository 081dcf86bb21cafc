#include "src/store/sqlite/list_query.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "src/store/sqlite/task_row.h"

namespace tracker::store::sqlite {
namespace {

bool Descending(Order order) { return order != Order::kOldestFirst; }

absl::string_view TimeColumn(Order order) {
  return order == Order::kUpdatedFirst ? "update_us" : "create_us";
}

// The first text, byte by byte, that does not begin with `prefix`, which is not empty and behind
// all that do. Empty: there is none.
std::string Behind(std::string prefix) {
  while (!prefix.empty() && prefix.back() == '\xFF') prefix.pop_back();
  if (!prefix.empty()) prefix.back() = static_cast<char>(prefix.back() + 1);
  return prefix;
}

std::string Sql(const ListQuery& query, const std::string& behind_prefix) {
  std::string sql = absl::StrCat("SELECT ", kTaskColumns, " FROM task WHERE namespace = ?");
  if (query.after) {
    absl::StrAppend(&sql, " AND (", TimeColumn(query.order), ", id) ",
                    Descending(query.order) ? "<" : ">", " (?, ?)");
  }
  if (!query.statuses.empty()) {
    absl::StrAppend(&sql, " AND status IN (",
                    absl::StrJoin(query.statuses, ",",
                                  [](std::string* out, domain::Status status) {
                                    absl::StrAppend(out, static_cast<int>(status));
                                  }),
                    ")");
  }
  if (!query.id_prefix.empty()) absl::StrAppend(&sql, " AND id >= ?");
  if (!behind_prefix.empty()) absl::StrAppend(&sql, " AND id < ?");
  if (!query.worker.empty()) absl::StrAppend(&sql, " AND worker = ?");
  const absl::string_view direction = Descending(query.order) ? " DESC" : " ASC";
  absl::StrAppend(&sql, " ORDER BY ", TimeColumn(query.order), direction, ", id", direction,
                  " LIMIT ?");
  return sql;
}

Cursor CursorAt(const domain::Task& task, Order order) {
  return {order == Order::kUpdatedFirst ? task.update_time : task.create_time, task.key.id};
}

}  // namespace

absl::StatusOr<Page> ReadPage(Connection& connection, const ListQuery& query) {
  const int64_t limit = std::max(1, query.limit);
  const std::string behind_prefix = Behind(query.id_prefix);
  absl::StatusOr<Statement> statement = connection.PrepareOnce(Sql(query, behind_prefix));
  if (!statement.ok()) return statement.status();
  statement->Bind(query.name_space);
  if (query.after) statement->Bind(absl::ToUnixMicros(query.after->time)).Bind(query.after->id);
  if (!query.id_prefix.empty()) statement->Bind(query.id_prefix);
  if (!behind_prefix.empty()) statement->Bind(behind_prefix);
  if (!query.worker.empty()) statement->Bind(query.worker);
  // One more tells whether another page follows.
  statement->Bind(limit + 1);

  Page page;
  size_t bytes = 0;
  while (true) {
    const absl::StatusOr<bool> row = statement->Step();
    if (!row.ok()) return row.status();
    if (!*row) return page;
    absl::StatusOr<domain::Task> task = ReadTask(*statement);
    if (!task.ok()) return task.status();
    task->lock.clear();
    bytes += domain::ByteSize(*task);
    const bool full = static_cast<int64_t>(page.tasks.size()) == limit ||
                      (!page.tasks.empty() && bytes > query.byte_limit);
    if (full) {
      page.next = CursorAt(page.tasks.back(), query.order);
      return page;
    }
    page.tasks.push_back(*std::move(task));
  }
}

}  // namespace tracker::store::sqlite
