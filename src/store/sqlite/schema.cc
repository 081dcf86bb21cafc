#include "src/store/sqlite/schema.h"

#include <iterator>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/substitute.h"

namespace tracker::store::sqlite {
namespace {

// "Trkr": tells Tracker's files from those of other programs (and file(1) too).
constexpr int64_t kApplicationId = 0x54726b72;

// The columns are PostgreSQL's. Times are Unix microseconds, codes are domain::Status. $0 is STRICT
// where SQLite knows it.
constexpr absl::string_view kMigrations[] = {
    // 1. A table with row ids, not WITHOUT ROWID: rows are large, and a b-tree that holds them in
    // its inner pages is slow.
    R"(
CREATE TABLE task (
  namespace      TEXT    NOT NULL,
  id             TEXT    NOT NULL,
  status         INTEGER NOT NULL,
  attempts       INTEGER NOT NULL,
  max_attempts   INTEGER NOT NULL,
  priority       INTEGER NOT NULL,
  fence          INTEGER NOT NULL,
  create_us      INTEGER NOT NULL,
  update_us      INTEGER NOT NULL,
  available_us   INTEGER NOT NULL,
  worker         TEXT    NOT NULL,
  lock           TEXT    NOT NULL,
  lock_us        INTEGER NOT NULL,
  lock_expire_us INTEGER NOT NULL,
  lease_us       INTEGER NOT NULL,
  data           TEXT    NOT NULL,
  errors         TEXT    NOT NULL
) $0;
CREATE UNIQUE INDEX task_key ON task (namespace, id);
CREATE INDEX task_create ON task (namespace, create_us, id);
CREATE INDEX task_update ON task (namespace, update_us, id);
-- The reaper's: only what is in progress.
CREATE INDEX task_expiry ON task (lock_expire_us) WHERE status = 10;

CREATE TABLE task_count (
  namespace TEXT    NOT NULL,
  status    INTEGER NOT NULL,
  n         INTEGER NOT NULL,
  PRIMARY KEY (namespace, status)
) $0;
)",
    // 2. A queue: what is claimable, what has an alarm, what has errors; policies and claims.
    R"(
ALTER TABLE task ADD COLUMN alarm_us INTEGER NOT NULL DEFAULT 0;
-- domain::FingerprintOf the last problem, and its time; 0: the task has none.
ALTER TABLE task ADD COLUMN error_print INTEGER NOT NULL DEFAULT 0;
ALTER TABLE task ADD COLUMN error_us INTEGER NOT NULL DEFAULT 0;
-- Ascending like the rest of the index of what is claimable, so that a scan goes on from a place by
-- one comparison of rows.
ALTER TABLE task ADD COLUMN rank INTEGER AS (-priority) VIRTUAL;

DROP INDEX task_expiry;
UPDATE task SET alarm_us = lock_expire_us WHERE status = 10;
UPDATE task SET alarm_us = available_us
  WHERE status IN (0, 20) AND available_us > CAST(strftime('%s', 'now') AS INTEGER) * 1000000;
-- One group for all errors of before; a quote within a message has a backslash in front.
UPDATE task SET error_print = 1, error_us = update_us
  WHERE instr(errors, '"kind":"failed"') > 0 OR instr(errors, '"kind":"lease_expired"') > 0;

CREATE INDEX task_alarm ON task (alarm_us) WHERE alarm_us <> 0;
CREATE INDEX task_claimable ON task (namespace, rank, available_us, id)
  WHERE alarm_us = 0 AND status IN (0, 20);
-- With all that grouping errors asks for: it reads no rows.
CREATE INDEX task_error ON task (namespace, create_us, id, error_print, error_us, status)
  WHERE error_print <> 0;

-- What each Claim handed out: `ids` is a JSON array of strings.
CREATE TABLE claim (
  namespace TEXT    NOT NULL,
  token     TEXT    NOT NULL,
  claim_us  INTEGER NOT NULL,
  ids       TEXT    NOT NULL,
  PRIMARY KEY (namespace, token)
) $0;
CREATE INDEX claim_age ON claim (claim_us);

-- `policy` as src/store/policy_json.h has it. The one version is the newest revision, and grows
-- when a policy goes, too.
CREATE TABLE policy (
  namespace TEXT    NOT NULL PRIMARY KEY,
  revision  INTEGER NOT NULL,
  update_us INTEGER NOT NULL,
  policy    TEXT    NOT NULL
) $0;
CREATE TABLE policy_version (version INTEGER NOT NULL) $0;
INSERT INTO policy_version VALUES (0);

-- Attempts by the second in which they ended.
CREATE TABLE attempt_count (
  namespace TEXT    NOT NULL,
  second    INTEGER NOT NULL,
  ended     INTEGER NOT NULL,
  failed    INTEGER NOT NULL,
  PRIMARY KEY (namespace, second)
) $0;
CREATE INDEX attempt_count_age ON attempt_count (second);
)",
    // 3. The locks of a task's attempts before its last one, with a space between.
    R"(
ALTER TABLE task ADD COLUMN spent_locks TEXT NOT NULL DEFAULT '';
)",
    // 4. Which policies have changed. `forgotten` is the highest revision of a deletion that is
    // remembered no more.
    R"(
CREATE INDEX policy_revision ON policy (revision);
CREATE TABLE policy_gone (
  namespace TEXT    NOT NULL PRIMARY KEY,
  revision  INTEGER NOT NULL,
  gone_us   INTEGER NOT NULL
) $0;
CREATE INDEX policy_gone_revision ON policy_gone (revision);
ALTER TABLE policy_version ADD COLUMN forgotten INTEGER NOT NULL DEFAULT 0;
)",
};
constexpr int64_t kNewest = std::size(kMigrations);

absl::Status CheckOwner(Connection& connection) {
  // One statement, one moment: another may be making the tables just now.
  const absl::StatusOr<int64_t> strangers = connection.QueryInt(absl::StrCat(
      "SELECT count(*) FROM sqlite_master, pragma_application_id() WHERE application_id <> ",
      kApplicationId));
  if (!strangers.ok()) return strangers.status();
  if (*strangers == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(
      "it is another program's SQLite database; name another file");
}

// How many migrations it has; an error when there are more than this program knows.
absl::StatusOr<int64_t> Version(Connection& connection) {
  absl::StatusOr<int64_t> version = connection.QueryInt("PRAGMA user_version");
  if (version.ok() && *version > kNewest) {
    return absl::FailedPreconditionError(absl::StrCat("its schema is version ", *version,
                                                      ", and this program knows up to ", kNewest,
                                                      "; use a newer trackerd"));
  }
  return version;
}

absl::Status Migrate(Connection& connection) {
  absl::StatusOr<Transaction> transaction = Transaction::BeginImmediate(connection);
  if (!transaction.ok()) return transaction.status();
  // Another may have been first.
  absl::StatusOr<int64_t> version = Version(connection);
  if (!version.ok()) return version.status();
  // STRICT came with 3.37.
  const absl::string_view strict = sqlite3_libversion_number() >= 3037000 ? "STRICT" : "";
  for (int64_t i = *version; i < kNewest; ++i) {
    const absl::Status status = connection.Execute(absl::Substitute(kMigrations[i], strict));
    if (!status.ok()) return status;
  }
  const absl::Status stamped = connection.Execute(absl::StrCat(
      "PRAGMA application_id = ", kApplicationId, "; PRAGMA user_version = ", kNewest));
  if (!stamped.ok()) return stamped;
  return transaction->Commit();
}

}  // namespace

absl::Status PrepareSchema(Connection& connection, bool migrate) {
  if (absl::Status status = CheckOwner(connection); !status.ok()) return status;
  const absl::StatusOr<int64_t> version = Version(connection);
  if (!version.ok()) return version.status();
  if (*version == kNewest) return absl::OkStatus();
  if (!migrate) {
    return absl::FailedPreconditionError(absl::StrCat("its schema is version ", *version, " of ",
                                                      kNewest, "; run 'trackerd migrate' first"));
  }
  return Migrate(connection);
}

}  // namespace tracker::store::sqlite
