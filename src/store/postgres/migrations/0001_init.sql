-- The first schema. One statement ends at each semicolon at the end of a line; each is sent by itself.
--
-- Every row carries its bucket, hash(id) mod B, first in every unique index: so the tables can be spread over a cluster later.
-- Times are microseconds since 1970 on the database's clock: read and bound without any time zone. The view task_readable is for people.
-- COLLATE "C": rows are locked and listed in byte order, the same on every machine.

CREATE TABLE tracker.task (
  bucket         integer  NOT NULL,
  namespace      text     COLLATE "C" NOT NULL,
  id             text     COLLATE "C" NOT NULL,
  status         smallint NOT NULL,
  attempts       integer  NOT NULL,
  max_attempts   integer  NOT NULL,
  priority       integer  NOT NULL,
  fence          bigint   NOT NULL,
  create_us      bigint   NOT NULL,
  update_us      bigint   NOT NULL,
  available_us   bigint   NOT NULL,
  worker         text     COLLATE "C" NOT NULL,
  lock           text     COLLATE "C" NOT NULL,
  lock_us        bigint   NOT NULL,
  lock_expire_us bigint   NOT NULL,
  lease_us       bigint   NOT NULL,
  -- json, not jsonb: a task's data is given back as it came, and large numbers do not grow when they are read.
  data           json,
  errors         json,
  PRIMARY KEY (bucket, namespace, id)
) WITH (
  -- Each task is updated a few times soon after its insert: leave room for that in its page.
  fillfactor = 80,
  -- A task's dead versions must be gone long before they are a fifth (the default) of ten million.
  autovacuum_vacuum_scale_factor = 0.01,
  autovacuum_vacuum_threshold = 5000,
  autovacuum_analyze_scale_factor = 0.02,
  autovacuum_vacuum_cost_delay = 1
);

-- The next two must be of no use for finding one task: else, on a table that was empty when a statement was planned, the planner thinks them
-- as good as the primary key, and each lookup reads a whole namespace. So they do not begin with the bucket, and have namespace and id in another
-- collation of the same order, which the queries of List name.

-- List by create_time: stable while tasks change.
CREATE INDEX task_by_create ON tracker.task (namespace COLLATE "POSIX", create_us, id COLLATE "POSIX");

-- List by update_time.
CREATE INDEX task_by_update ON tracker.task (namespace COLLATE "POSIX", update_us, id COLLATE "POSIX");

-- The reaper: who is in progress, in the order in which the leases end.
CREATE INDEX task_by_expiry ON tracker.task (lock_expire_us) WHERE status = 10;

-- How many tasks a namespace has of each status: the sum of n. Commits only append, so that no two wait for each other; a
-- background step folds the rows.
CREATE TABLE tracker.task_count (
  bucket    integer  NOT NULL,
  namespace text     COLLATE "C" NOT NULL,
  status    smallint NOT NULL,
  n         bigint   NOT NULL
) WITH (
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 2000,
  autovacuum_vacuum_insert_threshold = -1,
  autovacuum_vacuum_cost_delay = 0
);

CREATE INDEX task_count_by_namespace ON tracker.task_count (bucket, namespace);

-- For people with psql; nothing in Tracker reads it. Without the lock, which is a secret.
CREATE VIEW tracker.task_readable AS
SELECT namespace,
       id,
       CASE status WHEN 0 THEN 'pending' WHEN 10 THEN 'in_progress' WHEN 20 THEN 'failed'
                   WHEN 30 THEN 'exhausted' WHEN 40 THEN 'succeeded' WHEN 50 THEN 'ignored' END AS status,
       attempts,
       max_attempts,
       priority,
       fence,
       to_timestamp(create_us / 1e6) AS create_time,
       to_timestamp(update_us / 1e6) AS update_time,
       to_timestamp(available_us / 1e6) AS available_time,
       worker,
       CASE WHEN lock_us > 0 THEN to_timestamp(lock_us / 1e6) END AS lock_time,
       CASE WHEN status = 10 THEN to_timestamp(lock_expire_us / 1e6) END AS lock_expire_time,
       data,
       errors
FROM tracker.task;
