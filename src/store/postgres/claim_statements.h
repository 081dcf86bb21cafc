// The SQL statements of Claim, in plain sight.
#pragma once

#include "src/store/postgres/connection.h"

namespace tracker::store::postgres {

// Locks the next claimable tasks. $1 bucket, $2 namespace, $3 how many, $4 rank, $5 available_us
// and $6 id to go on after, $7 how many to look at, $8 ids to leave out. Rows: as ClaimColumn; at
// least one, with NULLs where there is no task.
extern const Statement kClaim;
enum ClaimColumn {
  kClaimClock,
  kClaimPlace,
  // Whether documents were left out (documents.h).
  kClaimLeftOut,
  // Where there is no task: whether there are candidates.
  kClaimHasCandidates,
  // The first of TRACKER_TASK_COLUMNS.
  kClaimTask,
};
// The same, of those whose id has succeeded in all the namespaces $9.
extern const Statement kClaimAfter;
// The next candidates. $1 bucket, $2 namespace, $3 rank, $4 available_us and $5 id to go on after,
// $6 ids to leave out, $7 how many. Rows: namespace, id.
extern const Statement kNextCandidates;
// Reads all of these tasks, so that one that cannot be read makes it fail. By KeyValues.
extern const Statement kReadable;
// The place of the last candidate that a step of $7 looked at. $1 bucket, $2 namespace, $4 rank, $5
// available_us, $6 id to go on after; $3 how many it looked at.
extern const Statement kLastCandidate;
// How many of the first $2 claimable tasks of namespace $1 each bucket has.
extern const Statement kClaimShares;
// Which claims of a namespace are remembered, and their tasks. $1 namespace, $2 tokens, $3 buckets.
// Rows: token, id, bucket.
extern const Statement kRemembered;
// Remembers claims. $1 bucket, $2 namespace, $3 tokens, $4 ids of each as array literals, $5 time.
extern const Statement kRemember;
// Which of the namespaces $2 have a claimable task, in their order. $1 buckets.
extern const Statement kHaveClaimable;

}  // namespace tracker::store::postgres
