-- What a variant has besides; psql sets ready_index, update_index, places, touched (true or false), fillfactor and threshold.
ALTER TABLE tracker.task SET (fillfactor = :fillfactor);
SELECT :fillfactor <> 80 AS rewrite \gset
\if :rewrite
VACUUM FULL tracker.task;
\endif

\if :update_index
CREATE INDEX task_by_update ON tracker.task (namespace COLLATE "POSIX", update_us, id COLLATE "POSIX");
\endif

\if :ready_index
CREATE INDEX task_by_expiry ON tracker.task (lock_expire_us) WHERE status = 10;
CREATE INDEX task_ready ON tracker.task (namespace, priority DESC, available_us, id) WHERE status IN (0, 20);
\endif

-- The indexes of side tables do not begin with the bucket: else a DELETE by ctid, planned while the table is empty, goes through all
-- entries of the bucket, dead ones too.
\if :places
CREATE TABLE tracker.ready (
  bucket       integer NOT NULL,
  namespace    text    COLLATE "C" NOT NULL,
  rank         bigint  NOT NULL,
  available_us bigint  NOT NULL,
  id           text    COLLATE "C" NOT NULL
) WITH (
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = :threshold,
  autovacuum_vacuum_insert_threshold = -1,
  autovacuum_vacuum_cost_delay = 0,
  vacuum_truncate = false
);
CREATE TABLE tracker.alarm (
  bucket    integer NOT NULL,
  due_us    bigint  NOT NULL,
  namespace text    COLLATE "C" NOT NULL,
  id        text    COLLATE "C" NOT NULL
) WITH (
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = :threshold,
  autovacuum_vacuum_insert_threshold = -1,
  autovacuum_vacuum_cost_delay = 0,
  vacuum_truncate = false
);
INSERT INTO tracker.ready
SELECT bucket, namespace, -priority::bigint, available_us, id FROM tracker.task WHERE status IN (0, 20) ORDER BY 1, 2, 3, 4, 5;
CREATE INDEX ready_by_rank ON tracker.ready (namespace, rank, available_us, id);
CREATE INDEX alarm_by_due ON tracker.alarm (due_us, namespace, id);
\endif

\if :touched
CREATE TABLE tracker.touched (
  bucket    integer NOT NULL,
  namespace text    COLLATE "C" NOT NULL,
  update_us bigint  NOT NULL,
  id        text    COLLATE "C" NOT NULL
) WITH (
  autovacuum_vacuum_scale_factor = 0.01,
  autovacuum_vacuum_threshold = 5000,
  autovacuum_vacuum_cost_delay = 1
);
INSERT INTO tracker.touched SELECT bucket, namespace, update_us, id FROM tracker.task ORDER BY 1, 2, 3, 4;
CREATE INDEX touched_by_update ON tracker.touched (namespace, update_us, id);
\endif

VACUUM ANALYZE;
CHECKPOINT;
