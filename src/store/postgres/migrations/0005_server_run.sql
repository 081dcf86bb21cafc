-- A name for what the server has been through since it last crashed. An unlogged table is empty after a crash, and on a standby
-- that takes the server's place (PostgreSQL manual, CREATE TABLE, UNLOGGED): then whoever comes first gives a new name.
CREATE UNLOGGED TABLE tracker.server_run (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  name     uuid    NOT NULL
);
