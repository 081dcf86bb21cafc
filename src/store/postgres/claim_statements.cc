#include "src/store/postgres/claim_statements.h"

#include "src/store/postgres/documents.h"
#include "src/store/postgres/statements.h"

namespace tracker::store::postgres {

// The candidates are read from tracker.ready in its order, one by one as the tasks are locked,
// until there are enough: the subqueries are so nested that each can only be run for a row of the
// one before. What another transaction has locked is passed over; what one has taken since our
// snapshot no longer meets the condition when its row is locked. MATERIALIZED: the clock is read
// after the locks were had. The last column is for where nothing was picked: whether there are
// candidates all the same.
#define TRACKER_CANDIDATES                    \
  "bucket = $1::int AND namespace = $2::text" \
  " AND (rank, available_us, id) > ($4::bigint, $5::bigint, $6::text)"
#define TRACKER_CLAIM(condition)                                                                \
  "WITH picked AS MATERIALIZED (SELECT t.* FROM (SELECT namespace, id FROM tracker.ready"       \
  " WHERE " TRACKER_CANDIDATES                                                                  \
  " AND NOT (id = ANY ($8::text[]))"                                                            \
  " ORDER BY rank, available_us, id LIMIT $7::int) r"                                           \
  " CROSS JOIN LATERAL (SELECT namespace, id, status, attempts, max_attempts, priority, fence," \
  " create_us, update_us, available_us, worker, lock, lock_us, lock_expire_us, lease_us,"       \
  " alarm_us, spent_locks, ctid AS place, " TRACKER_DOCUMENTS_IF_SMALL                          \
  " FROM tracker.task"                                                                          \
  " WHERE bucket = $1::int AND namespace = r.namespace AND id = r.id"                           \
  " AND status IN (0, 20) AND alarm_us = 0" condition                                           \
  " FOR NO KEY UPDATE SKIP LOCKED OFFSET 0) t LIMIT $3::int)"                                   \
  " SELECT " TRACKER_NOW_US                                                                     \
  ", p.place, p.left_out, CASE WHEN p.place IS NULL THEN EXISTS ("                              \
  "SELECT 1 FROM tracker.ready WHERE " TRACKER_CANDIDATES                                       \
  ") END, " TRACKER_TASK_COLUMNS("p.") " FROM (VALUES (1)) AS one LEFT JOIN picked p ON true"

const Statement kClaim = {"claim", TRACKER_CLAIM("")};
const Statement kClaimAfter = {
    "claim_after",
    TRACKER_CLAIM(" AND (SELECT count(*) FROM unnest($9::text[]) AS a(namespace)"
                  " CROSS JOIN LATERAL (SELECT 1 FROM tracker.task s WHERE s.bucket = $1::int"
                  " AND s.namespace = a.namespace AND s.id = r.id AND s.status = 40 OFFSET 0) s)"
                  " = cardinality($9::text[])")};

const Statement kNextCandidates = {
    "next_candidates",
    "SELECT namespace, id FROM tracker.ready WHERE bucket = $1::int AND namespace = $2::text"
    " AND (rank, available_us, id) > ($3::bigint, $4::bigint, $5::text)"
    " AND NOT (id = ANY ($6::text[]))"
    " ORDER BY rank, available_us, id LIMIT $7::int"};

const Statement kReadable = {
    "readable",
    "SELECT sum(length(t.data::text)), sum(length(t.errors::text))"
    " FROM unnest($2::text[], $3::text[]) AS k(namespace, id)"
    " CROSS JOIN LATERAL (SELECT data, errors FROM tracker.task"
    " WHERE bucket = $1::int AND namespace = k.namespace AND id = k.id OFFSET 0) t"};

const Statement kLastCandidate = {
    "last_candidate",
    "SELECT rank, available_us, id FROM tracker.ready"
    " WHERE bucket = $1::int AND namespace = $2::text"
    " AND (rank, available_us, id) > ($4::bigint, $5::bigint, $6::text)"
    " ORDER BY rank, available_us, id OFFSET $3::int - 1 LIMIT 1"};

const Statement kClaimShares = {
    "claim_shares",
    "SELECT bucket, count(*) FROM (SELECT bucket FROM tracker.ready WHERE namespace = $1::text"
    " ORDER BY rank, available_us, id LIMIT $2::int) first GROUP BY bucket"};

const Statement kRemembered = {
    "remembered",
    "SELECT c.token, i.id, c.bucket FROM unnest($2::text[]) AS k(token)"
    " CROSS JOIN LATERAL (SELECT bucket, token, ids FROM tracker.claim"
    " WHERE bucket = ANY ($3::int[]) AND token = k.token AND namespace = $1::text OFFSET 0) c"
    " CROSS JOIN LATERAL unnest(c.ids) AS i(id)"};

const Statement kRemember = {"remember",
                             "INSERT INTO tracker.claim (bucket, token, namespace, claim_us, ids)"
                             " SELECT $1::int, v.token, $2::text, $5::bigint, v.ids::text[]"
                             " FROM unnest($3::text[], $4::text[]) AS v(token, ids)"};

const Statement kHaveClaimable = {
    "have_claimable",
    "SELECT EXISTS (SELECT 1 FROM tracker.ready WHERE bucket = ANY ($1::int[])"
    " AND namespace = n.namespace)"
    " FROM unnest($2::text[]) WITH ORDINALITY AS n(namespace, i) ORDER BY n.i"};

}  // namespace tracker::store::postgres
