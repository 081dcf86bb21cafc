#include "src/store/postgres/reader.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "src/store/postgres/entry_sweep.h"
#include "src/store/postgres/statements.h"
#include "src/store/postgres/writer.h"
#include "src/store/trouble.h"

namespace tracker::store::postgres {
namespace {

using domain::Outcome;
using domain::Reason;
using domain::Task;
using domain::TaskKey;

// Tasks that one step of the purge looks at: no rows are longer than their key here.
constexpr int kFinishedScan = 5000;
// Alarms that are looked at at once in search of those that no task stands behind, and how often
// that is done within one call.
constexpr int kSweepDueRows = 5000;
constexpr int kSweepsOfDue = 20;

}  // namespace

Outcome Get(const ReadAccess& read, const TaskKey& key) {
  absl::StatusOr<Rows> rows =
      read.Read({kGet, {absl::StrCat(BucketOf(key.id, read.buckets())), key.name_space, key.id}});
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
  return {.task = *std::move(task),
          .now = absl::FromUnixMicros(rows->Int(0, 0)) + read.ClockOffset()};
}

namespace {

// Of one bucket. Rows that no task stands behind lie in the way of those after them, so they are
// removed, and the list is read again; what a step has not removed is for the next call.
absl::Status AppendDue(const ReadAccess& read, int bucket, const DueQuery& query,
                       std::vector<TaskKey>& keys) {
  const size_t before = keys.size();
  const int64_t offset_us = absl::ToInt64Microseconds(read.ClockOffset());
  for (int sweeps = 0;; ++sweeps) {
    absl::StatusOr<Rows> rows = read.Read(
        {kDue,
         {absl::StrCat(bucket), absl::StrCat(query.limit - before), absl::StrCat(offset_us)}});
    if (!rows.ok()) return rows.status();
    keys.resize(before);
    int unheld = 0;
    for (int row = 0; row < rows->size(); ++row) {
      if (rows->Text(row, 2) != "t") {
        ++unheld;
        continue;
      }
      TaskKey key{std::string(rows->Text(row, 0)), std::string(rows->Text(row, 1))};
      // Twice the same alarm, one after the other.
      if (keys.size() == before || keys.back() != key) keys.push_back(std::move(key));
    }
    if (unheld == 0 || query.only_look || sweeps == kSweepsOfDue) return absl::OkStatus();
    absl::StatusOr<int64_t> removed = read.With([&](Connection& connection) {
      return SweepDue(connection, bucket, std::max(kSweepDueRows, rows->size()), offset_us);
    });
    if (!removed.ok()) return removed.status();
    // Somebody else was first with all of them, or holds them.
    if (*removed == 0 && keys.size() > before) return absl::OkStatus();
  }
}

}  // namespace

absl::StatusOr<std::vector<TaskKey>> ListDue(const ReadAccess& read, const DueQuery& query) {
  std::vector<TaskKey> keys;
  for (int bucket = 0; bucket < read.buckets() && static_cast<int>(keys.size()) < query.limit;
       ++bucket) {
    if (absl::Status status = AppendDue(read, bucket, query, keys); !status.ok()) return status;
  }
  return keys;
}

// Along the order of creation, which needs no index that a finished task would have to move in: a
// task is created before it is finished, so none beyond `before` is of interest.
absl::StatusOr<FinishedPage> ListFinished(const ReadAccess& read, const FinishedQuery& query) {
  const Cursor from = query.after.value_or(Cursor{absl::FromUnixMicros(-1), ""});
  const absl::Duration age = query.age - read.ClockOffset();
  absl::StatusOr<Rows> rows =
      read.Read({kFinished,
                 {query.name_space, absl::StrCat(absl::ToUnixMicros(from.time)), from.id,
                  absl::StrCat(absl::ToInt64Microseconds(age)), absl::StrCat(kFinishedScan)}});
  if (!rows.ok()) return rows.status();
  FinishedPage page;
  for (int row = 0; row < rows->size(); ++row) {
    page.before = absl::FromUnixMicros(rows->Int(row, 0));
    page.scanned = row + 1;
    std::string id(rows->Text(row, 1));
    const Cursor here{absl::FromUnixMicros(rows->Int(row, 2)), id};
    if (rows->Text(row, 3) == "t") page.keys.push_back({query.name_space, std::move(id)});
    if (static_cast<int>(page.keys.size()) == query.limit || page.scanned == kFinishedScan) {
      page.next = here;
      return page;
    }
  }
  return page;
}

absl::Status Ping(const ReadAccess& read) {
  absl::StatusOr<Rows> rows = read.With([](Connection& connection) -> absl::StatusOr<Rows> {
    absl::StatusOr<Rows> answer = connection.Execute({kPing, {}});
    if (!answer.ok() || answer->Text(0, 0) == "f") return answer;
    // Another server may be the primary by now: a new connection finds it.
    connection.Abandon();
    return absl::UnavailableError("the database is read-only");
  });
  if (!rows.ok()) return rows.status();
  if (!rows->IsNull(0, 2)) {
    return DatabaseError(absl::StatusCode::kUnavailable,
                         absl::StrCat("the database's role may not write: ", kSeeLog),
                         absl::StrCat("the role ", rows->Text(0, 1), " lacks ", rows->Text(0, 2)));
  }
  return absl::OkStatus();
}

}  // namespace tracker::store::postgres
