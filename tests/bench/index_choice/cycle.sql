-- One cycle, for pgbench: 100 tasks are claimed, then succeed, and 100 new ones come. What lies between "--if X" and "--end" is of
-- the variants with X only. The statements are written as in src/store/postgres.
\set n :n + 100
BEGIN;
WITH picked AS MATERIALIZED (
 SELECT t.* FROM (
--if ready_index
  SELECT namespace, id FROM tracker.task
   WHERE bucket = 0 AND namespace = 'bench' AND status IN (0, 20) AND available_us <= (extract(epoch FROM now()) * 1000000)::bigint
   ORDER BY priority DESC, available_us, id LIMIT 10000) r
--end
--if places
  SELECT namespace, id FROM tracker.ready
   WHERE bucket = 0 AND namespace = 'bench'
   ORDER BY rank, available_us, id LIMIT 10000) r
--end
 CROSS JOIN LATERAL (SELECT * FROM tracker.task WHERE bucket = 0 AND namespace = r.namespace AND id = r.id
  AND status IN (0, 20) FOR NO KEY UPDATE SKIP LOCKED OFFSET 0) t LIMIT 100)
SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now_us, array_agg(id) AS ids, array_agg(attempts) AS attempts,
 array_agg(fence) AS fences, array_agg(update_us) AS updates, array_agg(-priority::bigint) AS ranks,
 array_agg(available_us) AS availables, max(length(data::text)) AS longest FROM picked \gset
INSERT INTO tracker.task (bucket, namespace, id, status, attempts, max_attempts, priority, fence, create_us, update_us, available_us,
 worker, lock, lock_us, lock_expire_us, lease_us)
SELECT 0, 'bench', v.id, 10, v.attempts + 1, 0, 0, v.fence + 1, 0, :now_us::bigint, v.available_us, 'worker-' || :client_id::text,
 md5(:now_us::text), :now_us::bigint, :now_us::bigint + 900000000, 900000000
FROM unnest(:ids::text[], :attempts::int[], :fences::bigint[], :availables::bigint[]) AS v(id, attempts, fence, available_us)
ON CONFLICT (bucket, namespace, id) DO UPDATE SET status = excluded.status, attempts = excluded.attempts, fence = excluded.fence,
 update_us = excluded.update_us, available_us = excluded.available_us, worker = excluded.worker, lock = excluded.lock,
 lock_us = excluded.lock_us, lock_expire_us = excluded.lock_expire_us, lease_us = excluded.lease_us;
--if places
DELETE FROM tracker.ready WHERE bucket = 0 AND ctid = ANY (ARRAY(
 SELECT r.ctid FROM unnest(:ranks::bigint[], :availables::bigint[], :ids::text[]) AS v(rank, available_us, id)
 CROSS JOIN LATERAL (SELECT ctid FROM tracker.ready WHERE bucket = 0 AND namespace = 'bench' AND rank = v.rank
  AND available_us = v.available_us AND id = v.id OFFSET 0) r));
INSERT INTO tracker.alarm SELECT 0, :now_us::bigint + 900000000, 'bench', v.id FROM unnest(:ids::text[]) AS v(id);
--end
--if touched
DELETE FROM tracker.touched WHERE bucket = 0 AND ctid = ANY (ARRAY(
 SELECT t.ctid FROM unnest(:updates::bigint[], :ids::text[]) AS v(update_us, id)
 CROSS JOIN LATERAL (SELECT ctid FROM tracker.touched WHERE bucket = 0 AND namespace = 'bench' AND update_us = v.update_us
  AND id = v.id OFFSET 0) t));
INSERT INTO tracker.touched SELECT 0, 'bench', :now_us::bigint, v.id FROM unnest(:ids::text[]) AS v(id);
--end
COMMIT;
BEGIN;
WITH held AS MATERIALIZED (SELECT t.* FROM unnest(:ids::text[]) AS k(id)
 CROSS JOIN LATERAL (SELECT * FROM tracker.task WHERE bucket = 0 AND namespace = 'bench' AND id = k.id
  FOR NO KEY UPDATE OFFSET 0) t)
SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS end_us, array_agg(id) AS ids, array_agg(attempts) AS attempts,
 array_agg(fence) AS fences, array_agg(update_us) AS updates, array_agg(lock_expire_us) AS dues,
 array_agg(available_us) AS availables, max(length(data::text)) AS longest FROM held \gset
INSERT INTO tracker.task (bucket, namespace, id, status, attempts, max_attempts, priority, fence, create_us, update_us, available_us,
 worker, lock, lock_us, lock_expire_us, lease_us)
SELECT 0, 'bench', v.id, 40, v.attempts, 0, 0, v.fence, 0, :end_us::bigint, v.available_us, 'worker-' || :client_id::text,
 md5(:now_us::text), :now_us::bigint, 0, 900000000
FROM unnest(:ids::text[], :attempts::int[], :fences::bigint[], :availables::bigint[]) AS v(id, attempts, fence, available_us)
ON CONFLICT (bucket, namespace, id) DO UPDATE SET status = excluded.status, attempts = excluded.attempts, fence = excluded.fence,
 update_us = excluded.update_us, available_us = excluded.available_us, worker = excluded.worker, lock = excluded.lock,
 lock_us = excluded.lock_us, lock_expire_us = excluded.lock_expire_us, lease_us = excluded.lease_us;
--if places
DELETE FROM tracker.alarm WHERE bucket = 0 AND ctid = ANY (ARRAY(
 SELECT a.ctid FROM unnest(:dues::bigint[], :ids::text[]) AS v(due_us, id)
 CROSS JOIN LATERAL (SELECT ctid FROM tracker.alarm WHERE bucket = 0 AND due_us = v.due_us AND namespace = 'bench'
  AND id = v.id OFFSET 0) a));
--end
--if touched
DELETE FROM tracker.touched WHERE bucket = 0 AND ctid = ANY (ARRAY(
 SELECT t.ctid FROM unnest(:updates::bigint[], :ids::text[]) AS v(update_us, id)
 CROSS JOIN LATERAL (SELECT ctid FROM tracker.touched WHERE bucket = 0 AND namespace = 'bench' AND update_us = v.update_us
  AND id = v.id OFFSET 0) t));
INSERT INTO tracker.touched SELECT 0, 'bench', :end_us::bigint, v.id FROM unnest(:ids::text[]) AS v(id);
--end
WITH made AS (INSERT INTO tracker.task (bucket, namespace, id, status, attempts, max_attempts, priority, fence, create_us, update_us,
 available_us, worker, lock, lock_us, lock_expire_us, lease_us, data)
SELECT 0, 'bench', 'new-' || :client_id::text || '-' || lpad((:n::bigint + i)::text, 8, '0'), 0, 0, 3, 0, 0, :end_us::bigint, :end_us::bigint,
 :end_us::bigint, '', '', 0, 0, 0,
 json_build_object('source', 'crawl/2026-11', 'path', '/documents/' || md5(i::text), 'bytes', i * 7, 'language', 'en')
FROM generate_series(1, 100) AS i ON CONFLICT DO NOTHING RETURNING id)
SELECT array_agg(id) AS fresh FROM made \gset
--if places
INSERT INTO tracker.ready SELECT 0, 'bench', 0, :end_us::bigint, v.id FROM unnest(:fresh::text[]) AS v(id);
--end
--if touched
INSERT INTO tracker.touched SELECT 0, 'bench', :end_us::bigint, v.id FROM unnest(:fresh::text[]) AS v(id);
--end
COMMIT;
