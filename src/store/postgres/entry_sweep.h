// Removes entries of tracker.ready, tracker.alarm and tracker.idle that no task stands behind:
// whose task is gone (deleted by hand, or lost by a partial restore), or says otherwise.
// Thread-safe.
//
// Why an entry may be removed without any lock
//   A task and its entries are written by one transaction, so in every snapshot they agree; where
//   they do not, somebody else has written. One statement has one snapshot: it compares in it, and
//   removes by place (ctid) what is wrong in it. Entries are only ever inserted and deleted, never
//   updated, and a transaction after which a task must have an entry inserts that entry itself. So
//   a row that was wrong in one snapshot is never the one that a later transaction relies on, even
//   if its values are the same; and a row that is still visible to a snapshot keeps its place.
//   There must be no row lock in such a statement: it would bring the task as it is now, next to
//   an entry as it was.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "src/store/claim_place.h"
#include "src/store/postgres/connection.h"

namespace tracker::store::postgres {

struct SweptReady {
  int64_t removed = 0;
  // Of the last entry that was looked at; none: there are no more.
  std::optional<ClaimPlace> last;
};

// Looks at up to limits::kClaimScan entries of a namespace in tracker.ready, from a place on.
absl::StatusOr<SweptReady> SweepReady(Connection& connection, int bucket,
                                      const std::string& name_space, const ClaimPlace& from);

// Removes up to `limit` of the earliest alarms, of those due, that no task stands behind.
// `offset_us` is what to add to the clock. How many it removed.
absl::StatusOr<int64_t> SweepDue(Connection& connection, int bucket, int limit, int64_t offset_us);

// Of an entry within a statement, whether a task stands behind it: true, false, or NULL where there
// is none. `e` is the entry, with its bucket in $1.
#define TRACKER_BEHIND_ENTRY(holds)                    \
  " LEFT JOIN LATERAL (SELECT " holds                  \
  " AS holds FROM tracker.task WHERE bucket = $1::int" \
  " AND namespace = e.namespace AND id = e.id OFFSET 0) t ON true"
#define TRACKER_READY_HOLDS                                           \
  "status IN (0, 20) AND alarm_us = 0 AND -priority::bigint = e.rank" \
  " AND available_us = e.available_us"
#define TRACKER_ALARM_HOLDS "alarm_us = e.due_us AND (status = 10) = e.held"
#define TRACKER_IDLE_HOLDS "status <> 10 AND update_us = e.update_us"

}  // namespace tracker::store::postgres
