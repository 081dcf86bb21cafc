// The SQL statements of this store that write tasks, or find them, but for those of migrations,
// claims (claim_statements.cc), pages (list.cc), counters and policies, in plain sight, and what
// turns tasks into their values and rows into tasks.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "src/domain/task.h"
#include "src/store/batch.h"
#include "src/store/postgres/connection.h"

namespace tracker::store::postgres {

// The columns of a task, in the order that TaskFrom reads. `TASK_COLUMNS("t.")` qualifies them.
#define TRACKER_TASK_COLUMNS(t)                                                                   \
  t "namespace, " t "id, " t "status, " t "attempts, " t "max_attempts, " t "priority, " t        \
    "fence, " t "create_us, " t "update_us, " t "available_us, " t "worker, " t "lock, " t        \
    "lock_us, " t "lock_expire_us, " t "lease_us, " t "alarm_us, " t "spent_locks, " t "data, " t \
    "errors"

// The database's clock in microseconds. Not now(): that stands still from the transaction's begin,
// before the locks were had.
#define TRACKER_NOW_US "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"

// One task by its key, within a statement that has its keys in k(namespace, id). The subquery
// forces the only good plan, whatever the statistics of a table that was empty a moment ago say:
// for each key one probe of the primary key.
#define TRACKER_EACH_TASK(columns, lock)                     \
  " FROM unnest($2::text[], $3::text[]) AS k(namespace, id)" \
  " CROSS JOIN LATERAL (SELECT " columns                     \
  " FROM tracker.task"                                       \
  " WHERE bucket = $1::int AND namespace = k.namespace AND id = k.id " lock " OFFSET 0) t"

// Locks the tasks in key order, without waiting for those that somebody else holds. By KeyValues.
// Rows, one for each key, in order: kLockClock and so on, and TRACKER_TASK_COLUMNS from kLockTask
// on, NULLs where the task is not there or held.
extern const Statement kLock;
enum LockColumn {
  // The last row's is a time at which all were locked.
  kLockClock,
  // The transaction, as pg_xact_status takes it; NULL before it has locked or written anything.
  kLockTransaction,
  // NULL: not locked.
  kLockPlace,
  // Whether it is there all the same.
  kLockHeld,
  // Whether data and errors were left out (documents.h).
  kLockLeftOut,
  kLockTask,
};
// Change tasks that are locked: without, and with, their data and errors. By UpdateCalls.
extern const Statement kUpdate;
extern const Statement kUpdateDocuments;
// Makes tasks, and answers how many of them were new, and the transaction (as kLockTransaction).
extern const Statement kInsert;
// Removes tasks that are locked. By DeleteCalls.
extern const Statement kDelete;
// Which of the tasks have succeeded. By KeyValues.
extern const Statement kSucceeded;
// Adds to the counters. $1 bucket, $2 namespaces, $3 statuses, $4 deltas.
extern const Statement kAddCounts;
extern const Statement kGet;
// The earliest alarms that have come. $1 bucket, $2 limit, $3 what to add to the clock, in
// microseconds. Rows: namespace, id, and whether a task stands behind the alarm.
extern const Statement kDue;
// Adds the attempts that ended. $1 bucket, $2 namespaces, $3 seconds, $4 ended, $5 failed.
extern const Statement kAddAttempts;
// Along the order of creation, whether a task is finished and has not changed since. $1 namespace,
// $2 create_us and $3 id to go on after, $4 age in microseconds, $5 how many to look at. Rows: now
// less the age, id, create_us, whether.
extern const Statement kFinished;
// One row: whether the database is read-only, the role, and what it lacks; NULL: nothing.
extern const Statement kPing;

std::vector<std::string> KeyValues(int bucket, const std::vector<domain::TaskKey>& keys);
std::vector<StatementCall> DeleteCalls(int bucket, const std::vector<domain::TaskKey>& keys);
StatementCall InsertCall(int bucket, const std::vector<const Batch::Row*>& rows);
std::vector<StatementCall> UpdateCalls(int bucket, const std::vector<const Batch::Row*>& rows);
std::vector<std::string> CountValues(int bucket, const Batch::CountDeltas& deltas);
std::vector<std::string> AttemptValues(int bucket, const Batch::AttemptDeltas& deltas,
                                       absl::Time now);

// The task in a row whose columns from `first` on are TRACKER_TASK_COLUMNS. DataLoss for what
// Tracker did not write.
absl::StatusOr<domain::Task> TaskFrom(const Rows& rows, int row, int first);

}  // namespace tracker::store::postgres
