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
