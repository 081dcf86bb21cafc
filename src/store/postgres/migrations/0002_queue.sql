-- Claims, policies, error groups. No index of tracker.task has a column, or a predicate on one, that changes when a task is started
-- and finished: so these updates are heap-only (HOT), touch no index, and leave nothing for a vacuum (docs/adr/0006). What must be
-- found by its state is found through two narrow tables instead, of which each unfinished task has exactly one row.

ALTER TABLE tracker.task
  -- When Tracker must look at the task by itself; 0: never. The key of its row in tracker.alarm.
  ADD COLUMN alarm_us bigint NOT NULL DEFAULT 0,
  -- The fingerprint of its last problem, 0: none; and when that was.
  ADD COLUMN error_print bigint NOT NULL DEFAULT 0,
  ADD COLUMN error_us bigint NOT NULL DEFAULT 0;

DROP INDEX tracker.task_by_expiry;

-- Who may be claimed now: pending and failed tasks without an alarm. rank is the priority with its sign turned, so that one order
-- serves.
CREATE TABLE tracker.ready (
  bucket       integer NOT NULL,
  namespace    text    COLLATE "C" NOT NULL,
  rank         bigint  NOT NULL,
  available_us bigint  NOT NULL,
  id           text    COLLATE "C" NOT NULL,
  PRIMARY KEY (bucket, namespace, rank, available_us, id)
) WITH (
  -- Rows come and go all the time: a vacuum is cheap as long as it comes often.
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 5000,
  autovacuum_vacuum_insert_threshold = -1,
  autovacuum_vacuum_cost_delay = 0,
  vacuum_truncate = false
);

-- When Tracker must look at a task: in progress at the end of its lease, or waiting for its time.
CREATE TABLE tracker.alarm (
  bucket    integer NOT NULL,
  due_us    bigint  NOT NULL,
  namespace text    COLLATE "C" NOT NULL,
  id        text    COLLATE "C" NOT NULL,
  PRIMARY KEY (bucket, due_us, namespace, id)
) WITH (
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 5000,
  autovacuum_vacuum_insert_threshold = -1,
  autovacuum_vacuum_cost_delay = 0,
  vacuum_truncate = false
);

-- Claims that were answered, so that a repeated one is recognised by its lock.
CREATE TABLE tracker.claim (
  bucket    integer NOT NULL,
  token     text    COLLATE "C" NOT NULL,
  namespace text    COLLATE "C" NOT NULL,
  claim_us  bigint  NOT NULL,
  ids       text[]  COLLATE "C" NOT NULL,
  PRIMARY KEY (bucket, token)
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

INSERT INTO tracker.alarm (bucket, due_us, namespace, id)
SELECT bucket, alarm_us, namespace, id FROM tracker.task WHERE alarm_us > 0;

INSERT INTO tracker.ready (bucket, namespace, rank, available_us, id)
SELECT bucket, namespace, -priority::bigint, available_us, id FROM tracker.task WHERE status IN (0, 20) AND alarm_us = 0;

-- List and GroupErrors among the tasks that have an error. Its columns change only when an attempt goes wrong.
CREATE INDEX task_by_error ON tracker.task (namespace COLLATE "POSIX", create_us, id COLLATE "POSIX") WHERE error_print <> 0;
