// The SQL statements of Claim, in plain sight.
#pragma once

#include "src/store/postgres/connection.h"

namespace tracker::store::postgres {

// Locks the next claimable tasks. $1 bucket, $2 namespace, $3 how many, $4 rank, $5 available_us
// and $6 id to go on after, $7 how many to look at. Rows: the clock, the place, whether documents
// were left out (documents.h), and TRACKER_TASK_COLUMNS; at least one, with NULLs where there is no
// task.
extern const Statement kClaim;
enum ClaimColumn { kClaimClock, kClaimPlace, kClaimLeftOut, kClaimTask };
// The same, of those whose id has succeeded in all the namespaces $8.
extern const Statement kClaimAfter;
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
