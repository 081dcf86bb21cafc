-- Servers over many namespaces: each reads which policies have changed, not all of them.

CREATE INDEX policy_by_revision ON tracker.policy (revision);

-- Policies that were deleted, for servers that have not seen it yet.
CREATE TABLE tracker.policy_gone (
  namespace text   COLLATE "C" PRIMARY KEY,
  revision  bigint NOT NULL,
  gone_us   bigint NOT NULL
);

CREATE INDEX policy_gone_by_revision ON tracker.policy_gone (revision);

-- The highest revision of a deletion that is remembered no more.
INSERT INTO tracker.meta (key, value) VALUES ('policy_forgotten', '0') ON CONFLICT DO NOTHING;
