-- Claims, policies, error groups. No index of tracker.task has a column, or a predicate on one, that changes when a task is started
-- and finished: so these updates are heap-only (HOT), touch no index, and leave nothing for a vacuum (docs/adr/0006). What must be
-- found by its state is found through narrow tables instead: each unfinished task has exactly one row in tracker.ready or
-- tracker.alarm, and each task that is not in progress has one in tracker.idle.

ALTER TABLE tracker.task
  -- When Tracker must look at the task by itself; 0: never. The key of its row in tracker.alarm.
  ADD COLUMN alarm_us bigint NOT NULL DEFAULT 0,
  -- The fingerprint of its last problem, 0: none; and when that was.
  ADD COLUMN error_print bigint NOT NULL DEFAULT 0,
  ADD COLUMN error_us bigint NOT NULL DEFAULT 0;

-- A claim takes tasks that lie beside each other, so a page needs room for new versions of many at once (docs/adr/0006).
ALTER TABLE tracker.task SET (fillfactor = 70);

DROP INDEX tracker.task_by_expiry;

DROP INDEX tracker.task_by_update;

-- The indexes of these tables do not begin with the bucket, and are not unique, so that rows that are found by their place in the table
-- (ctid) are never looked for through an index on the bucket instead. A row is written only by who holds its task's lock, so there is
-- one all the same.

-- Who may be claimed now: pending and failed tasks without an alarm. rank is the priority with its sign turned, so that one order
-- serves.
CREATE TABLE tracker.ready (
  bucket       integer NOT NULL,
  namespace    text    COLLATE "C" NOT NULL,
  rank         bigint  NOT NULL,
  available_us bigint  NOT NULL,
  id           text    COLLATE "C" NOT NULL
) WITH (
  -- Rows come and go all the time: a vacuum is cheap as long as it comes often.
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 5000,
  autovacuum_vacuum_insert_threshold = -1,
  autovacuum_vacuum_cost_delay = 0,
  vacuum_truncate = false
);

CREATE INDEX ready_by_rank ON tracker.ready (namespace, rank, available_us, id);

-- When Tracker must look at a task: in progress at the end of its lease, or waiting for its time.
CREATE TABLE tracker.alarm (
  bucket    integer NOT NULL,
  due_us    bigint  NOT NULL,
  namespace text    COLLATE "C" NOT NULL,
  id        text    COLLATE "C" NOT NULL,
  -- In progress; else it waits for its time.
  held      boolean NOT NULL
) WITH (
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 5000,
  autovacuum_vacuum_insert_threshold = -1,
  autovacuum_vacuum_cost_delay = 0,
  vacuum_truncate = false
);

CREATE INDEX alarm_by_due ON tracker.alarm (due_us, namespace, id);

CREATE INDEX alarm_held ON tracker.alarm (namespace) WHERE held;

-- The tasks that are not in progress, in the order in which they last changed: with those in progress (alarm_held), which are no more
-- than there are workers, List by update_time. A heartbeat moves nothing here.
CREATE TABLE tracker.idle (
  bucket    integer NOT NULL,
  namespace text    COLLATE "C" NOT NULL,
  update_us bigint  NOT NULL,
  id        text    COLLATE "C" NOT NULL
) WITH (
  autovacuum_vacuum_scale_factor = 0.01,
  autovacuum_vacuum_threshold = 20000,
  autovacuum_vacuum_insert_threshold = -1,
  autovacuum_vacuum_cost_delay = 1,
  vacuum_truncate = false
);

CREATE INDEX idle_by_update ON tracker.idle (namespace, update_us, id);

-- Claims that were answered, so that a repeated one is recognised by its lock.
CREATE TABLE tracker.claim (
  bucket    integer NOT NULL,
  token     text    COLLATE "C" NOT NULL,
  namespace text    COLLATE "C" NOT NULL,
  claim_us  bigint  NOT NULL,
  ids       text[]  COLLATE "C" NOT NULL,
  PRIMARY KEY (bucket, token, namespace)
) WITH (
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 5000,
  autovacuum_vacuum_cost_delay = 0
);

CREATE INDEX claim_by_time ON tracker.claim (claim_us);

CREATE TABLE tracker.policy (
  namespace text   COLLATE "C" PRIMARY KEY,
  -- A JSON object, as of src/store/policy_json.h.
  document  json   NOT NULL,
  revision  bigint NOT NULL,
  update_us bigint NOT NULL
);

-- Grows with each change of a policy.
INSERT INTO tracker.meta (key, value) VALUES ('policy_version', '0') ON CONFLICT DO NOTHING;

-- Attempts that ended, by the second, of namespaces that pause themselves. As with task_count, commits append and a background step
-- folds.
CREATE TABLE tracker.attempt_count (
  bucket    integer NOT NULL,
  namespace text    COLLATE "C" NOT NULL,
  second_us bigint  NOT NULL,
  ended     bigint  NOT NULL,
  failed    bigint  NOT NULL
) WITH (
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 2000,
  autovacuum_vacuum_insert_threshold = -1,
  autovacuum_vacuum_cost_delay = 0
);

CREATE INDEX attempt_count_by_second ON tracker.attempt_count (bucket, namespace, second_us);

-- What there is. The fingerprint of errors from before this migration is not known: they are one group.
UPDATE tracker.task SET error_print = 1, error_us = update_us WHERE errors IS NOT NULL;

UPDATE tracker.task SET alarm_us = lock_expire_us WHERE status = 10;

UPDATE tracker.task SET alarm_us = available_us
 WHERE status IN (0, 20) AND available_us > (extract(epoch FROM now()) * 1000000)::bigint;

INSERT INTO tracker.alarm (bucket, due_us, namespace, id, held)
SELECT bucket, alarm_us, namespace, id, status = 10 FROM tracker.task WHERE alarm_us > 0;

INSERT INTO tracker.ready (bucket, namespace, rank, available_us, id)
SELECT bucket, namespace, -priority::bigint, available_us, id FROM tracker.task WHERE status IN (0, 20) AND alarm_us = 0;

INSERT INTO tracker.idle (bucket, namespace, update_us, id)
SELECT bucket, namespace, update_us, id FROM tracker.task WHERE status <> 10;

-- List and GroupErrors among the tasks that have an error. Its columns change only when an attempt goes wrong.
CREATE INDEX task_by_error ON tracker.task (namespace COLLATE "POSIX", create_us, id COLLATE "POSIX") WHERE error_print <> 0;
