#include "src/store/postgres/list.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "src/store/list_filter.h"
#include "src/store/postgres/array_literal.h"
#include "src/store/postgres/reader.h"
#include "src/store/postgres/statements.h"
#include "src/store/postgres/stoppable.h"

namespace tracker::store::postgres {
namespace {

using domain::Status;
using domain::Task;

// Tasks can be large: a page is read in parts, so that its byte limit also bounds what is read for
// it.
constexpr int kPartRows = 64;
// How many tasks one statement looks at where filters leave some of them out.
constexpr int kScanRows = 2000;

// The page's statements, by order. $1 namespace, $2 time and $3 id to go on after, $4 rows. The
// index of the order (migrations/0001_init.sql, which says why the collation) is read from where
// the page begins; so its depth costs nothing.
#define TRACKER_FROM_PLACE(column, after, more)                                           \
  " FROM tracker.task"                                                                    \
  " WHERE namespace COLLATE \"POSIX\" = $1 AND (" column ", id COLLATE \"POSIX\") " after \
  " ($2::bigint, $3::text)" more
#define TRACKER_IN_ORDER(column, direction) \
  " ORDER BY " column " " direction ", id COLLATE \"POSIX\" " direction
#define TRACKER_LIST(column, after, direction)                                                 \
  "SELECT " TRACKER_NOW_US ", " TRACKER_TASK_COLUMNS("") TRACKER_FROM_PLACE(column, after, "") \
      TRACKER_IN_ORDER(column, direction) " LIMIT $4::int"

// With filters: $5 statuses (empty: all), $6 id prefix, $7 worker, $8 part of an error message in
// lower case, $9 fingerprint, and $10, how many to look at. Answers what matches, and the last one
// looked at, when there were as many; the column after the clock is the place in the order, from 1,
// and the next one whether it matches.
#define TRACKER_SCAN_OF(tasks) \
  "SELECT " TRACKER_NOW_US ", n, matches, " TRACKER_TASK_COLUMNS("")                           \
  " FROM (SELECT x.*, row_number() OVER () AS n,"                                              \
  " (($5::text = '{}' OR status = ANY ($5::smallint[])) AND starts_with(id, $6::text)"         \
  " AND ($7::text = '' OR worker = $7::text) AND ($9::bigint = 0 OR error_print = $9::bigint)" \
  " AND ($8::text = '' OR (error_print <> 0 AND EXISTS (SELECT 1 FROM json_array_elements(errors) e"                 \
  " WHERE strpos(lower((e->>'message') COLLATE \"C\"), $8::text) > 0))))"                       \
  " AS matches FROM (" tasks ") x) s WHERE matches OR n = $10::int ORDER BY n LIMIT $4::int"
#define TRACKER_SCAN(column, after, direction, more)                                     \
  TRACKER_SCAN_OF("SELECT " TRACKER_TASK_COLUMNS("") ", error_print" TRACKER_FROM_PLACE( \
      column, after, more) TRACKER_IN_ORDER(column, direction) " LIMIT $10::int")
#define TRACKER_WITH_ERRORS " AND error_print <> 0"

struct Statements {
  const Statement* plain;
  const Statement* scan;
  // Of tasks with errors alone; null: there is no index for it.
  const Statement* errors;
};

const Statement kNewest = {"newest", TRACKER_LIST("create_us", "<", "DESC")};
const Statement kOldest = {"oldest", TRACKER_LIST("create_us", ">", "ASC")};

// By update_time: what is idle along its own index, and what is in progress, of which there is no
// more than there are workers. A task that moves between the two has one row in one snapshot. An
// entry that does not agree with its task (entry_sweep.h) is passed over.
#define TRACKER_UPDATED(rows) \
  " FROM ((SELECT t.* FROM tracker.idle i CROSS JOIN LATERAL (SELECT " TRACKER_TASK_COLUMNS("") \
  ", error_print FROM tracker.task WHERE bucket = i.bucket AND namespace = i.namespace"         \
  " AND id = i.id AND update_us = i.update_us AND status <> 10 OFFSET 0) t"                                                                 \
  " WHERE i.namespace = $1 AND (i.update_us, i.id) < ($2::bigint, $3::text)"                    \
  " ORDER BY i.update_us DESC, i.id DESC LIMIT " rows ")"                                       \
  " UNION ALL (SELECT t.* FROM tracker.alarm a CROSS JOIN LATERAL (SELECT " TRACKER_TASK_COLUMNS( \
      "") ", error_print FROM tracker.task WHERE bucket = a.bucket AND namespace = a.namespace" \
  " AND id = a.id AND status = 10 OFFSET 0) t"                                                                 \
  " WHERE a.namespace = $1 AND a.held AND (t.update_us, t.id) < ($2::bigint, $3::text)"         \
  " ORDER BY t.update_us DESC, t.id DESC LIMIT " rows ")) u"                                    \
  " ORDER BY update_us DESC, id DESC LIMIT " rows

const Statement kUpdated = {
    "updated", "SELECT " TRACKER_NOW_US ", " TRACKER_TASK_COLUMNS("") TRACKER_UPDATED("$4::int")};
const Statement kNewestScan = {"newest_scan", TRACKER_SCAN("create_us", "<", "DESC", "")};
const Statement kOldestScan = {"oldest_scan", TRACKER_SCAN("create_us", ">", "ASC", "")};
const Statement kUpdatedScan = {"updated_scan",
                                TRACKER_SCAN_OF("SELECT " TRACKER_TASK_COLUMNS(
                                    "") ", error_print" TRACKER_UPDATED("$10::int"))};
const Statement kNewestErrors = {"newest_errors",
                                 TRACKER_SCAN("create_us", "<", "DESC", TRACKER_WITH_ERRORS)};
const Statement kOldestErrors = {"oldest_errors",
                                 TRACKER_SCAN("create_us", ">", "ASC", TRACKER_WITH_ERRORS)};

Statements StatementsOf(Order order) {
  switch (order) {
    case Order::kNewestFirst: return {&kNewest, &kNewestScan, &kNewestErrors};
    case Order::kOldestFirst: return {&kOldest, &kOldestScan, &kOldestErrors};
    case Order::kUpdatedFirst: return {&kUpdated, &kUpdatedScan, nullptr};
  }
  return {&kNewest, &kNewestScan, &kNewestErrors};
}

bool HasFilters(const ListQuery& query) {
  return !query.statuses.empty() || !query.id_prefix.empty() || !query.worker.empty() ||
         !query.error_text.empty() || query.error_fingerprint != 0;
}

// Before the first task of an order.
Cursor Start(Order order) {
  if (order == Order::kOldestFirst) return {absl::FromUnixMicros(-1), ""};
  return {absl::FromUnixMicros(std::numeric_limits<int64_t>::max()), ""};
}

std::string StatusesLiteral(const std::vector<Status>& statuses) {
  ArrayLiteral array;
  for (const Status status : statuses) array.Add(static_cast<int64_t>(status));
  return array.Take();
}

Cursor CursorAt(const Task& task, Order order) {
  return {order == Order::kUpdatedFirst ? task.update_time : task.create_time, task.key.id};
}

// Builds a page, part by part.
class Pager {
 public:
  Pager(const ReadAccess& read, const ListQuery& query)
      : read_(read), query_(query), cursor_(query.after.value_or(Start(query.order))) {}

  absl::StatusOr<Page> Run() {
    const bool filtered = HasFilters(query_);
    while (!done_) {
      const absl::Status status = filtered ? ReadFiltered() : ReadPlain();
      if (!status.ok()) return status;
    }
    return std::move(page_);
  }

 private:
  // One more than the page holds tells whether there is a next one.
  int Wanted() const {
    return std::min(query_.limit - static_cast<int>(page_.tasks.size()) + 1, kPartRows);
  }
  std::vector<std::string> PlaceValues() const {
    return {query_.name_space, absl::StrCat(absl::ToUnixMicros(cursor_.time)), cursor_.id,
            absl::StrCat(Wanted())};
  }
  void End(bool more) {
    if (more) page_.next = cursor_;
    done_ = true;
  }
  absl::StatusOr<Task> TaskAt(const Rows& rows, int row, int first) {
    page_.now = absl::FromUnixMicros(rows.Int(row, 0)) + read_.ClockOffset();
    return TaskFrom(rows, row, first);
  }
  // Two entries of one task follow one another.
  bool IsLast(const Task& task) const {
    return !page_.tasks.empty() && page_.tasks.back().key == task.key;
  }
  // False: it is full.
  bool Add(Task task) {
    task.lock.clear();
    bytes_ += domain::ByteSize(task);
    const bool full = static_cast<int>(page_.tasks.size()) == query_.limit ||
                      (bytes_ > query_.byte_limit && !page_.tasks.empty());
    if (full) return false;
    cursor_ = CursorAt(task, query_.order);
    page_.tasks.push_back(std::move(task));
    return true;
  }

  absl::Status ReadPlain() {
    const int wanted = Wanted();
    absl::StatusOr<Rows> rows = read_.Read({*StatementsOf(query_.order).plain, PlaceValues()});
    if (!rows.ok()) return rows.status();
    for (int row = 0; row < rows->size(); ++row) {
      absl::StatusOr<Task> task = TaskAt(*rows, row, 1);
      if (!task.ok()) return task.status();
      if (IsLast(*task)) continue;
      if (!Add(*std::move(task))) {
        End(/*more=*/true);
        return absl::OkStatus();
      }
      page_.scanned += 1;
    }
    if (rows->size() < wanted) End(/*more=*/false);
    return absl::OkStatus();
  }

  absl::Status ReadFiltered() {
    const int wanted = Wanted();
    const int scan = std::min(query_.scan_limit - page_.scanned, kScanRows);
    const Statements statements = StatementsOf(query_.order);
    const bool errors = OnlyWithErrors(query_) && statements.errors != nullptr;
    std::vector<std::string> values = PlaceValues();
    for (std::string& value : FilterValues(scan)) values.push_back(std::move(value));
    absl::StatusOr<Rows> rows =
        read_.Read({errors ? *statements.errors : *statements.scan, std::move(values)});
    if (!rows.ok()) return rows.status();
    int looked_at = 0;
    for (int row = 0; row < rows->size(); ++row) {
      absl::StatusOr<Task> task = TaskAt(*rows, row, 3);
      if (!task.ok()) return task.status();
      if (IsLast(*task)) {
        // Its first row counts.
      } else if (rows->Text(row, 2) != "t") {
        cursor_ = CursorAt(*task, query_.order);
      } else if (!Add(*std::move(task))) {
        page_.scanned += looked_at;
        End(/*more=*/true);
        return absl::OkStatus();
      }
      looked_at = static_cast<int>(rows->Int(row, 1));
    }
    page_.scanned += looked_at;
    if (rows->size() < wanted && looked_at < scan) {
      End(/*more=*/false);
    } else if (page_.scanned >= query_.scan_limit) {
      End(/*more=*/true);
    }
    return absl::OkStatus();
  }

  std::vector<std::string> FilterValues(int scan) const {
    return {StatusesLiteral(query_.statuses),
            query_.id_prefix,
            query_.worker,
            absl::AsciiStrToLower(query_.error_text),
            absl::StrCat(query_.error_fingerprint),
            absl::StrCat(scan)};
  }

  const ReadAccess& read_;
  const ListQuery& query_;
  Cursor cursor_;
  Page page_;
  size_t bytes_ = 0;
  bool done_ = false;
};

// $1 namespace, $2 statuses, $3 how many tasks to look at, and one more, $4 groups. Rows: how many
// were looked at, then fingerprint, count, first, last and id of the last; at least one, with NULLs
// where there is no group.
const Statement kGroupErrors = {
    "group_errors",
    "WITH newest AS MATERIALIZED (SELECT error_print, error_us, status, id FROM tracker.task"
    " WHERE namespace COLLATE \"POSIX\" = $1 AND error_print <> 0"
    " ORDER BY create_us DESC, id COLLATE \"POSIX\" DESC LIMIT $3::int)"
    " SELECT (SELECT count(*) FROM newest), g.* FROM (VALUES (1)) AS one LEFT JOIN ("
    " SELECT error_print, count(*) AS n, min(error_us), max(error_us),"
    " (array_agg(id ORDER BY error_us DESC))[1] FROM (SELECT * FROM newest LIMIT $3::int - 1) n"
    " WHERE $2::text = '{}' OR status = ANY ($2::smallint[])"
    " GROUP BY error_print ORDER BY count(*) DESC, error_print LIMIT $4::int) g ON true"
    " ORDER BY g.n DESC, g.error_print"};

}  // namespace

absl::StatusOr<Page> List(const ReadAccess& read, const ListQuery& query) {
  return Pager(read, query).Run();
}

absl::StatusOr<ErrorGroups> GroupErrors(const ReadAccess& read, const ErrorGroupQuery& query,
                                        const GoOn& go_on) {
  absl::StatusOr<Rows> rows = read.With([&](Connection& connection) {
    return ExecuteStoppable(connection,
                            {kGroupErrors,
                             {query.name_space, StatusesLiteral(query.statuses),
                              // One more tells whether there are older ones.
                              absl::StrCat(query.scan_limit + 1), absl::StrCat(query.limit)}},
                            go_on);
  });
  if (!rows.ok()) return rows.status();
  ErrorGroups answer;
  for (int row = 0; row < rows->size(); ++row) {
    answer.scanned = std::min<int64_t>(rows->Int(row, 0), query.scan_limit);
    answer.truncated = rows->Int(row, 0) > query.scan_limit;
    if (rows->IsNull(row, 1)) continue;
    ErrorGroup group{.fingerprint = rows->Int(row, 1),
                     .count = rows->Int(row, 2),
                     .first = absl::FromUnixMicros(rows->Int(row, 3)),
                     .last = absl::FromUnixMicros(rows->Int(row, 4)),
                     .id = std::string(rows->Text(row, 5))};
    const domain::Outcome example = Get(read, {query.name_space, group.id});
    const domain::TaskError* problem = example.task ? domain::LastProblem(*example.task) : nullptr;
    // It may have gone, or gone on, since.
    if (problem != nullptr) group.message = problem->message;
    answer.groups.push_back(std::move(group));
  }
  return answer;
}

}  // namespace tracker::store::postgres
