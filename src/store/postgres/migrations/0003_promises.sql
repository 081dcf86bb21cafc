-- The locks of a task's attempts before its last one, oldest first, with a space between: so that a late copy of an old Start is told from a
-- new one, also after a Reset or another worker's attempt (docs/adr/0002). Changes when a second attempt begins: in no index.
ALTER TABLE tracker.task ADD COLUMN spent_locks text COLLATE "C" NOT NULL DEFAULT '';
