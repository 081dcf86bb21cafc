#include "src/store/postgres/reader.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "src/store/postgres/array_literal.h"
#include "src/store/postgres/statements.h"
#include "src/store/postgres/writer.h"

namespace tracker::store::postgres {
namespace {

using domain::Outcome;
using domain::Reason;
using domain::Task;
using domain::TaskKey;

// Tasks can be large: a page is read in parts, so that its byte limit also bounds what is read for
// it.
constexpr int kPartRows = 64;
// Counter rows folded in one step.
constexpr int kFoldRows = 10000;
// Fewer superfluous counter rows than this cost a Count nothing worth a write.
constexpr int64_t kFoldFrom = 200;

// The page's statements, by order. $1 namespace, $2 time and $3 id to go on after, $4 statuses
// (empty: all), $5 id prefix, $6 worker, $7 rows. The index of the order (migrations/0001_init.sql,
// which says why the collation) is read from where the page begins; so its depth costs nothing.
#define TRACKER_LIST(column, after, direction) \
  "SELECT " TRACKER_NOW_US ", " TRACKER_TASK_COLUMNS("") " FROM tracker.task"                   \
  " WHERE namespace COLLATE \"POSIX\" = $1 AND (" column ", id COLLATE \"POSIX\") " after       \
  " ($2::bigint, $3::text) AND ($4::text = '{}' OR status = ANY ($4::smallint[]))"              \
  " AND starts_with(id, $5::text) AND ($6::text = '' OR worker = $6::text)"                     \
  " ORDER BY " column " " direction ", id COLLATE \"POSIX\" " direction " LIMIT $7::int"

const Statement kNewestFirst = {"newest_first", TRACKER_LIST("create_us", "<", "DESC")};
const Statement kOldestFirst = {"oldest_first", TRACKER_LIST("create_us", ">", "ASC")};
const Statement kUpdatedFirst = {"updated_first", TRACKER_LIST("update_us", "<", "DESC")};

const Statement& StatementOf(Order order) {
  switch (order) {
    case Order::kNewestFirst: return kNewestFirst;
    case Order::kOldestFirst: return kOldestFirst;
    case Order::kUpdatedFirst: return kUpdatedFirst;
  }
  return kNewestFirst;
}

// Before the first task of an order.
Cursor Start(Order order) {
  if (order == Order::kOldestFirst) return {absl::FromUnixMicros(-1), ""};
  return {absl::FromUnixMicros(std::numeric_limits<int64_t>::max()), ""};
}

std::string StatusesLiteral(const std::vector<domain::Status>& statuses) {
  ArrayLiteral array;
  for (const domain::Status status : statuses) array.Add(static_cast<int64_t>(status));
  return array.Take();
}

Cursor CursorAt(const Task& task, Order order) {
  return {order == Order::kUpdatedFirst ? task.update_time : task.create_time, task.key.id};
}

const absl::Status& StatusOf(const absl::Status& status) { return status; }
const absl::Status& StatusOf(const absl::StatusOr<Rows>& rows) { return rows.status(); }

absl::Status Unreachable(const absl::Status& status) {
  return absl::UnavailableError(absl::StrCat("the database cannot be reached: ", status.message()));
}

}  // namespace

// A connection that was idle may be long dead: a second try tells.
template <typename Use>
auto Reader::WithConnection(const Use& use) -> decltype(use(std::declval<Connection&>())) {
  absl::Status status;
  for (int tries = 0; tries < 2; ++tries) {
    absl::StatusOr<ConnectionPool::Lease> lease = pool_->Acquire();
    if (!lease.ok()) return Unreachable(lease.status());
    auto result = use(**lease);
    status = StatusOf(result);
    if (status.ok()) return result;
    if ((*lease)->usable()) break;
  }
  if (absl::IsUnavailable(status) || absl::IsUnknown(status)) return Unreachable(status);
  if (absl::IsDeadlineExceeded(status)) {
    return absl::DeadlineExceededError(
        absl::StrCat("the database takes too long over this; narrow it: ", status.message()));
  }
  return status;
}

absl::StatusOr<Rows> Reader::Read(const StatementCall& call) {
  return WithConnection([&](Connection& connection) { return connection.Execute(call); });
}

Outcome Reader::Get(const TaskKey& key) {
  absl::StatusOr<Rows> rows =
      Read({kGet, {absl::StrCat(BucketOf(key.id, buckets_)), key.name_space, key.id}});
  if (!rows.ok()) {
    const bool away = absl::IsUnavailable(rows.status()) || absl::IsDeadlineExceeded(rows.status());
    return {.reason = away ? Reason::kStoreUnavailable : Reason::kInternal,
            .message = std::string(rows.status().message())};
  }
  if (rows->size() == 0) {
    return {.reason = Reason::kTaskNotFound, .message = "there is no such task"};
  }
  absl::StatusOr<Task> task = TaskFrom(*rows, 0, 1);
  if (!task.ok()) {
    return {.reason = Reason::kInternal, .message = std::string(task.status().message())};
  }
  task->lock.clear();
  return {.task = *std::move(task), .now = absl::FromUnixMicros(rows->Int(0, 0)) + ClockOffset()};
}

absl::StatusOr<Page> Reader::List(const ListQuery& query) {
  Page page;
  Cursor cursor = query.after.value_or(Start(query.order));
  size_t bytes = 0;
  while (true) {
    const int left = query.limit - static_cast<int>(page.tasks.size());
    // One more than the page holds tells whether there is a next one.
    const int wanted = std::min(left + 1, kPartRows);
    absl::StatusOr<Rows> rows = Read(
        {StatementOf(query.order),
         {query.name_space, absl::StrCat(absl::ToUnixMicros(cursor.time)), cursor.id,
          StatusesLiteral(query.statuses), query.id_prefix, query.worker, absl::StrCat(wanted)}});
    if (!rows.ok()) return rows.status();
    for (int row = 0; row < rows->size(); ++row) {
      page.now = absl::FromUnixMicros(rows->Int(row, 0)) + ClockOffset();
      absl::StatusOr<Task> task = TaskFrom(*rows, row, 1);
      if (!task.ok()) return task.status();
      task->lock.clear();
      bytes += domain::ByteSize(*task);
      const bool full = static_cast<int>(page.tasks.size()) == query.limit ||
                        (bytes > query.byte_limit && !page.tasks.empty());
      if (full) {
        page.next = cursor;
        return page;
      }
      cursor = CursorAt(*task, query.order);
      page.tasks.push_back(*std::move(task));
    }
    if (rows->size() < wanted) return page;
  }
}

absl::StatusOr<std::vector<StatusCount>> Reader::Count(const std::string& name_space) {
  absl::StatusOr<Rows> rows = Read({kCount, {name_space}});
  if (!rows.ok()) return rows.status();
  std::vector<StatusCount> counts;
  for (int row = 0; row < rows->size(); ++row) {
    const auto status = domain::StatusFromCode(rows->Int(row, 1));
    if (!status) return absl::DataLossError("tracker.task_count has an unknown status");
    counts.push_back({std::string(rows->Text(row, 0)), *status, rows->Int(row, 2)});
  }
  return counts;
}

absl::StatusOr<std::vector<TaskKey>> Reader::ListExpired(int limit) {
  std::vector<TaskKey> keys;
  for (int bucket = 0; bucket < buckets_ && static_cast<int>(keys.size()) < limit; ++bucket) {
    absl::StatusOr<Rows> rows = Read({kExpired,
                                      {absl::StrCat(bucket), absl::StrCat(limit - keys.size()),
                                       absl::StrCat(absl::ToInt64Microseconds(ClockOffset()))}});
    if (!rows.ok()) return rows.status();
    for (int row = 0; row < rows->size(); ++row) {
      keys.push_back({std::string(rows->Text(row, 0)), std::string(rows->Text(row, 1))});
    }
  }
  return keys;
}

absl::Status Reader::FoldCounts() {
  for (int bucket = 0; bucket < buckets_; ++bucket) {
    absl::StatusOr<Rows> excess = Read({kExcessCounts, {absl::StrCat(bucket)}});
    if (!excess.ok()) return excess.status();
    if (excess->Int(0, 0) < kFoldFrom) continue;
    absl::Status folded = WithConnection([&](Connection& connection) -> absl::Status {
      if (absl::Status begun = connection.Begin(); !begun.ok()) return begun;
      return connection.Commit({{kFoldCounts, {absl::StrCat(bucket), absl::StrCat(kFoldRows)}}});
    });
    if (!folded.ok()) return folded;
  }
  return absl::OkStatus();
}

absl::Status Reader::Ping() {
  absl::StatusOr<Rows> rows = Read({kPing, {}});
  if (!rows.ok()) return rows.status();
  if (rows->Text(0, 0) != "f") return absl::UnavailableError("the database is read-only");
  return absl::OkStatus();
}

}  // namespace tracker::store::postgres
