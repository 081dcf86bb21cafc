#include "src/store/postgres/check.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "src/base/limits.h"
#include "src/base/monotonic.h"
#include "src/domain/task.h"
#include "src/store/postgres/entry_sweep.h"
#include "src/store/postgres/statements.h"
#include "src/store/postgres/stoppable.h"

namespace tracker::store::postgres {
namespace {

using domain::TaskKey;

// A step that met somebody's lock is tried again so often.
constexpr int kTries = 5;
constexpr absl::Duration kPause = absl::Milliseconds(100);

const Statement kEstimate = {
    "check_estimate",
    "SELECT sum(greatest(reltuples, 0))::bigint FROM pg_class WHERE oid IN ("
    "'tracker.task'::regclass, 'tracker.ready'::regclass, 'tracker.alarm'::regclass,"
    " 'tracker.idle'::regclass)"};

// The tasks of a bucket in key order, and of each how many entries it has that it must have: 1
// where all is well, or none is needed. $1 bucket, $2 namespace and $3 id to go on after, $4 how
// many. Rows: how many were looked at, the last one's namespace and id, and then the tasks with
// something wrong: namespace, id, and its entries in ready, alarm and idle.
const Statement kCheckTasks = {
    "check_tasks",
    "WITH step AS MATERIALIZED (SELECT namespace, id, status, alarm_us,"
    " -priority::bigint AS rank, available_us, update_us FROM tracker.task"
    " WHERE bucket = $1::int AND (namespace, id) > ($2::text, $3::text)"
    " ORDER BY namespace, id LIMIT $4::int),"
    " entries AS (SELECT s.namespace, s.id,"
    "  CASE WHEN s.status IN (0, 20) AND s.alarm_us = 0 THEN (SELECT count(*)"
    "   FROM tracker.ready e WHERE e.bucket = $1::int AND e.namespace = s.namespace"
    "   AND e.rank = s.rank AND e.available_us = s.available_us AND e.id = s.id)"
    "   ELSE 1 END AS ready,"
    "  CASE WHEN s.alarm_us <> 0 THEN (SELECT count(*)"
    "   FROM tracker.alarm e WHERE e.bucket = $1::int AND e.due_us = s.alarm_us"
    "   AND e.namespace = s.namespace AND e.id = s.id AND e.held = (s.status = 10))"
    "   ELSE 1 END AS alarm,"
    "  CASE WHEN s.status <> 10 THEN (SELECT count(*)"
    "   FROM tracker.idle e WHERE e.bucket = $1::int AND e.namespace = s.namespace"
    "   AND e.update_us = s.update_us AND e.id = s.id) ELSE 1 END AS idle FROM step s)"
    " SELECT (SELECT count(*) FROM step), l.namespace, l.id,"
    " w.namespace, w.id, w.ready, w.alarm, w.idle FROM (VALUES (1)) AS one"
    " LEFT JOIN (SELECT namespace, id FROM step ORDER BY namespace DESC, id DESC LIMIT 1) l ON true"
    " LEFT JOIN (SELECT * FROM entries WHERE ready <> 1 OR alarm <> 1 OR idle <> 1) w ON true"};

// The entries of a bucket in the order of their index, `key`, and whether a task stands behind
// each. $1 bucket, $2 how many (and all that are equal to the last one), $3 whether to remove those
// without a task behind, and from $4 on the key to go on after. Rows: how many were looked at, how
// many of them are orphans, how many say otherwise, how many were removed; examples: namespace, id,
// whether it is an orphan; the last one's key.
#define TRACKER_CHECK_ENTRIES(table, columns, key, after, holds) \
  "WITH step AS MATERIALIZED (SELECT e.*, t.holds FROM (SELECT ctid AS place, " columns          \
  " FROM " table " WHERE bucket = $1::int AND (" key ") > (" after ") ORDER BY " key             \
  " FETCH FIRST ($2::int) ROWS WITH TIES) e" TRACKER_BEHIND_ENTRY(holds) "),"                    \
  " gone AS (DELETE FROM " table " WHERE bucket = $1::int AND ctid = ANY (ARRAY("                \
  "SELECT place FROM step WHERE $3::bool AND holds IS NOT TRUE)) RETURNING 1),"                  \
  " numbered AS (SELECT namespace, id, holds IS NULL AS orphan, row_number() OVER ("             \
  "PARTITION BY holds IS NULL ORDER BY namespace, id) AS n FROM step WHERE holds IS NOT TRUE)"   \
  " SELECT (SELECT count(*) FROM step), (SELECT count(*) FROM step WHERE holds IS NULL),"        \
  " (SELECT count(*) FROM step WHERE NOT holds), (SELECT count(*) FROM gone),"                   \
  " x.namespace, x.id, x.orphan, l.* FROM (VALUES (1)) AS one"                                   \
  " LEFT JOIN (SELECT namespace, id, orphan FROM numbered WHERE n <= 5) x ON true"               \
  " LEFT JOIN (SELECT " key " FROM (SELECT " key ", row_number() OVER (ORDER BY " key ") AS n"   \
  "  FROM step) s WHERE s.n = (SELECT count(*) FROM step)) l ON true"

const Statement kCheckReady = {
    "check_ready",
    TRACKER_CHECK_ENTRIES("tracker.ready", "namespace, rank, available_us, id",
                          "namespace, rank, available_us, id",
                          "$4::text, $5::bigint, $6::bigint, $7::text", TRACKER_READY_HOLDS)};
const Statement kCheckAlarm = {
    "check_alarm",
    TRACKER_CHECK_ENTRIES("tracker.alarm", "due_us, namespace, id, held", "due_us, namespace, id",
                          "$4::bigint, $5::text, $6::text", TRACKER_ALARM_HOLDS)};
const Statement kCheckIdle = {
    "check_idle",
    TRACKER_CHECK_ENTRIES("tracker.idle", "namespace, update_us, id", "namespace, update_us, id",
                          "$4::text, $5::bigint, $6::text", TRACKER_IDLE_HOLDS)};

struct EntryTable {
  const char* name;
  const Statement* check;
  // A key before all.
  std::vector<std::string> before;
};

const std::vector<EntryTable>& EntryTables() {
  static const auto* const kTables = new std::vector<EntryTable>{
      {"ready", &kCheckReady, {"", "-9223372036854775808", "0", ""}},
      {"alarm", &kCheckAlarm, {"-9223372036854775808", "", ""}},
      {"idle", &kCheckIdle, {"", "-9223372036854775808", ""}},
  };
  return *kTables;
}

// By KeyValues: the tasks $2, $3 of bucket $1.
#define TRACKER_OF_TASKS(columns, condition)                 \
  " FROM unnest($2::text[], $3::text[]) AS k(namespace, id)" \
  " CROSS JOIN LATERAL (SELECT " columns                     \
  " FROM tracker.task WHERE bucket = $1::int"                \
  " AND namespace = k.namespace AND id = k.id " condition " OFFSET 0) t"

// Not with their data, which may be damaged.
const Statement kLockForRepair = {
    "lock_for_repair",
    "SELECT t.namespace, t.id" TRACKER_OF_TASKS("namespace, id", "FOR NO KEY UPDATE SKIP LOCKED")};

// Of tasks that are locked: where a task must have an entry in `table` and has none, or more than
// one, it has one afterwards. Answers how many tasks that was.
#define TRACKER_REPAIR_ENTRIES(table, columns, values, condition, same) \
  "WITH wanted AS MATERIALIZED (SELECT t.*, ARRAY(SELECT e.ctid FROM " table                      \
  " e WHERE e.bucket = $1::int AND " same ") AS places" TRACKER_OF_TASKS(values, condition) "),"  \
  " wrong AS MATERIALIZED (SELECT * FROM wanted WHERE cardinality(places) <> 1),"                 \
  " gone AS (DELETE FROM " table " WHERE bucket = $1::int AND ctid = ANY (ARRAY("                 \
  "SELECT p.place FROM wrong w CROSS JOIN LATERAL unnest(w.places) AS p(place)))),"               \
  " added AS (INSERT INTO " table " (bucket, " columns ") SELECT $1::int, " columns               \
  " FROM wrong RETURNING 1) SELECT count(*) FROM added"

const Statement kRepairs[] = {
    {"repair_ready",
     TRACKER_REPAIR_ENTRIES("tracker.ready", "namespace, rank, available_us, id",
                            "namespace, -priority::bigint AS rank, available_us, id",
                            "AND status IN (0, 20) AND alarm_us = 0",
                            "e.namespace = t.namespace AND e.rank = t.rank"
                            " AND e.available_us = t.available_us AND e.id = t.id")},
    {"repair_alarm",
     TRACKER_REPAIR_ENTRIES("tracker.alarm", "due_us, namespace, id, held",
                            "alarm_us AS due_us, namespace, id, status = 10 AS held",
                            "AND alarm_us <> 0",
                            "e.due_us = t.due_us AND e.namespace = t.namespace AND e.id = t.id"
                            " AND e.held = t.held")},
    {"repair_idle", TRACKER_REPAIR_ENTRIES("tracker.idle", "namespace, update_us, id",
                                           "namespace, update_us, id", "AND status <> 10",
                                           "e.namespace = t.namespace AND e.update_us = t.update_us"
                                           " AND e.id = t.id")},
};

// The counters of a bucket that differ from its tasks; with $2 the difference is added to them.
// Both sides are read in one snapshot, and each commit changes both by the same: so the difference
// is the right correction, whatever is committed meanwhile. Tasks of an unknown status are no one's
// to count. Rows: how many counters are wrong, and the first of them.
const Statement kCheckCounters = {
    "check_counters",
    "WITH actual AS MATERIALIZED (SELECT namespace, status, count(*) AS n FROM tracker.task"
    "  WHERE bucket = $1::int AND status IN (0, 10, 20, 30, 40, 50) GROUP BY namespace, status),"
    " counted AS MATERIALIZED (SELECT namespace, status, sum(n)::bigint AS n"
    "  FROM tracker.task_count WHERE bucket = $1::int GROUP BY namespace, status),"
    " wrong AS MATERIALIZED (SELECT namespace, status, sum(c)::bigint AS counted,"
    "  sum(a)::bigint AS actual FROM ("
    "   SELECT namespace, status, n AS a, 0 AS c FROM actual UNION ALL"
    "   SELECT namespace, status, 0, n FROM counted) both_sides GROUP BY namespace, status"
    "  HAVING sum(c) <> sum(a)),"
    " added AS (INSERT INTO tracker.task_count (bucket, namespace, status, n)"
    "  SELECT $1::int, namespace, status, actual - counted FROM wrong WHERE $2::bool)"
    " SELECT (SELECT count(*) FROM wrong), w.namespace, w.status, w.counted, w.actual"
    " FROM (VALUES (1)) AS one"
    " LEFT JOIN (SELECT * FROM wrong ORDER BY namespace, status LIMIT 5) w ON true"};
// Two repairs at once would both add the same difference. The second waits here, and its next
// statement sees what the first has done.
constexpr char kOneRepair[] = "SELECT 1 FROM tracker.meta WHERE key = 'schema_version' FOR UPDATE";

std::string TaskText(absl::string_view name_space, absl::string_view id) {
  return absl::StrCat(name_space, "/", id);
}

class Checker {
 public:
  Checker(const ReadAccess& read, const CheckOptions& options) : read_(read), options_(options) {}

  absl::StatusOr<CheckReport> Run() {
    absl::StatusOr<Rows> estimate = read_.Read({kEstimate, {}});
    if (!estimate.ok()) return estimate.status();
    report_.total = estimate->Int(0, 0);
    for (int bucket = 0; bucket < read_.buckets(); ++bucket) {
      // What is wrong goes before what is missing is added, so that nothing is counted twice.
      for (const EntryTable& table : EntryTables()) {
        if (absl::Status status = CheckEntries(bucket, table); !status.ok()) return status;
      }
      if (absl::Status status = CheckTasks(bucket); !status.ok()) return status;
      if (absl::Status status = CheckCounters(bucket); !status.ok()) return status;
    }
    return report_;
  }

 private:
  void Add(const std::string& where, Fault fault, int64_t count,
           const std::vector<std::string>& examples) {
    if (count == 0) return;
    auto found =
        std::find_if(report_.findings.begin(), report_.findings.end(),
                     [&](const Finding& f) { return f.where == where && f.fault == fault; });
    if (found == report_.findings.end()) {
      found = report_.findings.insert(found, {.where = where, .fault = fault});
    }
    found->count += count;
    for (const std::string& example : examples) {
      if (found->examples.size() < limits::kFindingExamples) found->examples.push_back(example);
    }
  }

  absl::Status EndStep() {
    if (options_.tell) options_.tell(report_);
    return options_.go_on ? options_.go_on() : absl::OkStatus();
  }

  // `step` with a connection, again while somebody's lock is in its way.
  template <typename Step>
  auto Persist(const Step& step) {
    for (int tries = 1;; ++tries) {
      auto result = read_.With(step);
      const absl::Status& status = StatusOf(result);
      if (!absl::IsResourceExhausted(status) && !absl::IsAborted(status)) return result;
      if (tries == kTries) return result;
      base::SleepFor(tries * kPause);
    }
  }
  static const absl::Status& StatusOf(const absl::Status& status) { return status; }
  static const absl::Status& StatusOf(const absl::StatusOr<Rows>& rows) { return rows.status(); }

  absl::Status CheckEntries(int bucket, const EntryTable& table) {
    std::vector<std::string> place = table.before;
    while (true) {
      std::vector<std::string> values = {absl::StrCat(bucket), absl::StrCat(limits::kCheckStep),
                                         options_.repair ? "t" : "f"};
      values.insert(values.end(), place.begin(), place.end());
      absl::StatusOr<Rows> rows = Persist([&](Connection& connection) {
        return ExecuteStoppable(connection, {*table.check, values}, options_.go_on);
      });
      if (!rows.ok()) return rows.status();
      report_.scanned += rows->Int(0, 0);
      report_.repaired += rows->Int(0, 3);
      if (options_.repair) report_.skipped += rows->Int(0, 1) + rows->Int(0, 2) - rows->Int(0, 3);
      std::vector<std::string> orphans, stale;
      for (int row = 0; row < rows->size(); ++row) {
        if (rows->IsNull(row, 4)) continue;
        (rows->Text(row, 6) == "t" ? orphans : stale)
            .push_back(TaskText(rows->Text(row, 4), rows->Text(row, 5)));
      }
      Add(table.name, Fault::kOrphan, rows->Int(0, 1), orphans);
      Add(table.name, Fault::kStale, rows->Int(0, 2), stale);
      if (absl::Status status = EndStep(); !status.ok()) return status;
      if (rows->Int(0, 0) < limits::kCheckStep) return absl::OkStatus();
      for (size_t i = 0; i < place.size(); ++i) {
        place[i] = std::string(rows->Text(0, 7 + static_cast<int>(i)));
      }
    }
  }

  absl::Status CheckTasks(int bucket) {
    TaskKey place;
    while (true) {
      absl::StatusOr<Rows> rows = Persist([&](Connection& connection) {
        return ExecuteStoppable(
            connection,
            {kCheckTasks,
             {absl::StrCat(bucket), place.name_space, place.id, absl::StrCat(limits::kCheckStep)}},
            options_.go_on);
      });
      if (!rows.ok()) return rows.status();
      report_.scanned += rows->Int(0, 0);
      std::vector<TaskKey> wrong;
      for (int row = 0; row < rows->size(); ++row) {
        if (rows->IsNull(row, 3)) continue;
        wrong.push_back({std::string(rows->Text(row, 3)), std::string(rows->Text(row, 4))});
        for (int table = 0; table < 3; ++table) {
          const int64_t entries = rows->Int(row, 5 + table);
          if (entries == 1) continue;
          Add(EntryTables()[table].name, entries == 0 ? Fault::kMissing : Fault::kDuplicate, 1,
              {TaskText(wrong.back().name_space, wrong.back().id)});
        }
      }
      if (options_.repair) {
        if (absl::Status status = Repair(bucket, wrong); !status.ok()) return status;
      }
      if (absl::Status status = EndStep(); !status.ok()) return status;
      if (rows->Int(0, 0) < limits::kCheckStep) return absl::OkStatus();
      place = {std::string(rows->Text(0, 1)), std::string(rows->Text(0, 2))};
    }
  }

  absl::Status Repair(int bucket, const std::vector<TaskKey>& wrong) {
    for (size_t at = 0; at < wrong.size(); at += limits::kJobStep) {
      const size_t end = std::min(wrong.size(), at + limits::kJobStep);
      const std::vector<TaskKey> part(wrong.begin() + static_cast<std::ptrdiff_t>(at),
                                      wrong.begin() + static_cast<std::ptrdiff_t>(end));
      int64_t repaired = 0;
      int locked = 0;
      const absl::Status status = Persist([&](Connection& connection) -> absl::Status {
        repaired = 0;
        absl::StatusOr<Rows> rows = connection.Begin({kLockForRepair, KeyValues(bucket, part)});
        if (!rows.ok()) return rows.status();
        locked = rows->size();
        std::vector<TaskKey> keys;
        keys.reserve(locked);
        for (int row = 0; row < rows->size(); ++row) {
          keys.push_back({std::string(rows->Text(row, 0)), std::string(rows->Text(row, 1))});
        }
        // New statements, new snapshots: now that the tasks are locked, they and their entries stay
        // as these find them.
        for (const Statement& repair : kRepairs) {
          absl::StatusOr<Rows> done = connection.Execute({repair, KeyValues(bucket, keys)});
          if (!done.ok()) return done.status();
          repaired += done->Int(0, 0);
        }
        return connection.Commit();
      });
      if (!status.ok()) return status;
      report_.repaired += repaired;
      report_.skipped += static_cast<int64_t>(part.size()) - locked;
      if (options_.go_on) {
        if (absl::Status end_now = options_.go_on(); !end_now.ok()) return end_now;
      }
    }
    return absl::OkStatus();
  }

  absl::Status CheckCounters(int bucket) {
    absl::StatusOr<Rows> rows = Persist([&](Connection& connection) -> absl::StatusOr<Rows> {
      if (absl::Status begun = connection.Begin(); !begun.ok()) return begun;
      // It reads every task: once and in the table's order, however long that takes.
      for (const char* sql :
           {"SET LOCAL statement_timeout = '30min'", "SET LOCAL lock_timeout = '30min'",
            "SET LOCAL enable_seqscan = on", "SET LOCAL plan_cache_mode = auto"}) {
        if (absl::StatusOr<Rows> set = connection.ExecuteText(sql); !set.ok()) return set.status();
      }
      if (options_.repair) {
        absl::StatusOr<Rows> alone = ExecuteTextStoppable(connection, kOneRepair, options_.go_on);
        if (!alone.ok()) return alone.status();
      }
      absl::StatusOr<Rows> checked = ExecuteStoppable(
          connection, {kCheckCounters, {absl::StrCat(bucket), options_.repair ? "t" : "f"}},
          options_.go_on);
      if (!checked.ok()) return checked.status();
      if (absl::Status done = connection.Commit(); !done.ok()) return done;
      return checked;
    });
    if (!rows.ok()) return rows.status();
    std::vector<std::string> examples;
    for (int row = 0; row < rows->size(); ++row) {
      if (rows->IsNull(row, 1)) continue;
      const auto status = domain::StatusFromCode(rows->Int(row, 2));
      examples.push_back(absl::StrCat(
          rows->Text(row, 1), " ", status ? domain::StatusName(*status) : rows->Text(row, 2), ": ",
          rows->Int(row, 3), " counted, ", rows->Int(row, 4), " there"));
    }
    Add("task_count", Fault::kMiscount, rows->Int(0, 0), examples);
    if (options_.repair) report_.repaired += rows->Int(0, 0);
    return EndStep();
  }

  const ReadAccess& read_;
  const CheckOptions& options_;
  CheckReport report_;
};

}  // namespace

absl::StatusOr<CheckReport> Check(const ReadAccess& read, const CheckOptions& options) {
  return Checker(read, options).Run();
}

}  // namespace tracker::store::postgres
