-- The tasks that every variant begins with; psql sets rows. Half have succeeded, the other half wait, in the order in which they came.
-- Sizes of columns are those of a worker that indexes documents.
CREATE SCHEMA tracker;

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
  data           json,
  errors         json,
  PRIMARY KEY (bucket, namespace, id)
) WITH (
  fillfactor = 80,
  autovacuum_vacuum_scale_factor = 0.01,
  autovacuum_vacuum_threshold = 5000,
  autovacuum_analyze_scale_factor = 0.02,
  autovacuum_vacuum_cost_delay = 1
);

INSERT INTO tracker.task
SELECT 0, 'bench', 'doc-' || lpad(i::text, 7, '0'), CASE WHEN done THEN 40 ELSE 0 END, done::int, 3, 0, done::int, made, made, made,
       CASE WHEN done THEN 'worker-1' ELSE '' END, CASE WHEN done THEN md5(i::text) ELSE '' END, CASE WHEN done THEN made ELSE 0 END, 0,
       CASE WHEN done THEN 900000000 ELSE 0 END,
       json_build_object('source', 'crawl/2026-11', 'path', '/documents/' || md5(i::text), 'bytes', i * 7, 'language', 'en'), NULL
FROM (SELECT i, i <= :rows / 2 AS done,
             (extract(epoch FROM now()) * 1000000)::bigint - (:rows - i + 1) * 1000::bigint AS made
      FROM generate_series(1, :rows) AS i) t;

CREATE INDEX task_by_create ON tracker.task (namespace COLLATE "POSIX", create_us, id COLLATE "POSIX");

VACUUM ANALYZE tracker.task;
