#include "src/store/postgres/migrate.h"

#include <vector>

#include "absl/random/random.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "migrations.h"
#include "src/store/trouble.h"

namespace tracker::store::postgres {
namespace {

// Two servers that make the schema at once collide in the catalogue; the loser tries again and
// finds it made.
constexpr int kMaxTries = 10;

const Statement kMetaExists = {"meta_exists", "SELECT to_regclass('tracker.meta') IS NOT NULL"};
const Statement kSchemaExists = {"schema_exists", "SELECT to_regnamespace('tracker') IS NOT NULL"};
const Statement kReadMeta = {"read_meta", "SELECT value FROM tracker.meta WHERE key = $1"};
const Statement kWriteMeta = {"write_meta",
                              "INSERT INTO tracker.meta (key, value) VALUES ($1, $2)"
                              " ON CONFLICT (key) DO UPDATE SET value = excluded.value"};

template <typename Body>
absl::Status InTransaction(Connection& connection, const Body& body) {
  absl::Status status = connection.Begin();
  if (status.ok()) status = body();
  if (status.ok()) return connection.Commit();
  connection.Rollback();
  return status;
}

absl::StatusOr<int> ReadNumber(Connection& connection, const std::string& key) {
  absl::StatusOr<Rows> rows = connection.Execute({kReadMeta, {key}});
  if (!rows.ok()) return rows.status();
  int number = 0;
  if (rows->size() == 0 || !absl::SimpleAtoi(rows->Text(0, 0), &number)) {
    return absl::FailedPreconditionError(
        absl::StrCat("tracker.meta has no number for '", key, "'"));
  }
  return number;
}

// The schema's version; 0 when there is none.
absl::StatusOr<int> ReadVersion(Connection& connection) {
  int version = 0;
  absl::Status status = InTransaction(connection, [&]() -> absl::Status {
    absl::StatusOr<Rows> exists = connection.Execute({kMetaExists, {}});
    if (!exists.ok()) return exists.status();
    if (exists->Text(0, 0) != "t") return absl::OkStatus();
    absl::StatusOr<int> number = ReadNumber(connection, "schema_version");
    if (!number.ok()) return number.status();
    version = *number;
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return version;
}

absl::Status MakeMeta(Connection& connection) {
  return InTransaction(connection, [&]() -> absl::Status {
    // IF NOT EXISTS asks for the right to create schemas also where there is one, made beforehand
    // by somebody who has it.
    absl::StatusOr<Rows> schema = connection.Execute({kSchemaExists, {}});
    if (!schema.ok()) return schema.status();
    if (schema->Text(0, 0) != "t") {
      absl::StatusOr<Rows> made = connection.ExecuteText("CREATE SCHEMA IF NOT EXISTS tracker");
      if (!made.ok()) return made.status();
    }
    for (const char* sql :
         {"CREATE TABLE IF NOT EXISTS tracker.meta (key text PRIMARY KEY, value text NOT NULL)",
          "INSERT INTO tracker.meta (key, value) VALUES ('schema_version', '0'), ('buckets', '1')"
          " ON CONFLICT DO NOTHING"}) {
      if (absl::StatusOr<Rows> done = connection.ExecuteText(sql); !done.ok()) return done.status();
    }
    return absl::OkStatus();
  });
}

// The statements of a migration: each ends at a semicolon at the end of a line.
std::vector<std::string> StatementsOf(absl::string_view sql) {
  std::vector<std::string> statements;
  for (absl::string_view part : absl::StrSplit(sql, ";\n")) {
    const absl::string_view statement = absl::StripAsciiWhitespace(part);
    if (!statement.empty()) statements.emplace_back(statement);
  }
  return statements;
}

absl::Status ApplyLacking(Connection& connection) {
  return InTransaction(connection, [&]() -> absl::Status {
    // Whoever comes second waits here as long as it takes, and then finds the work done.
    for (const char* sql : {"SET LOCAL lock_timeout = '10min'", "SET LOCAL statement_timeout = '0'",
                            "LOCK TABLE tracker.meta IN EXCLUSIVE MODE"}) {
      if (absl::StatusOr<Rows> done = connection.ExecuteText(sql); !done.ok()) return done.status();
    }
    absl::StatusOr<int> version = ReadNumber(connection, "schema_version");
    if (!version.ok()) return version.status();
    for (int next = *version; next < kMigrationCount; ++next) {
      for (const std::string& sql : StatementsOf(kMigrations[next])) {
        if (absl::StatusOr<Rows> done = connection.ExecuteText(sql); !done.ok()) {
          return DatabaseError(
              done.status().code(), absl::StrCat("migration ", next + 1, " failed: ", kSeeLog),
              absl::StrCat("migration ", next + 1, ": ", DatabaseText(done.status())));
        }
      }
    }
    return connection.Execute({kWriteMeta, {"schema_version", absl::StrCat(kMigrationCount)}})
        .status();
  });
}

}  // namespace

absl::Status Migrate(Connection& connection, bool allowed) {
  absl::BitGen random;
  absl::Status status;
  for (int tries = 0; tries < kMaxTries; ++tries) {
    if (tries > 0) absl::SleepFor(absl::Milliseconds(absl::Uniform(random, 10, 100)));
    absl::StatusOr<int> version = ReadVersion(connection);
    if (!version.ok()) return version.status();
    if (*version == kMigrationCount) return absl::OkStatus();
    if (*version > kMigrationCount) {
      return absl::FailedPreconditionError(absl::StrCat("the database's schema is version ",
                                                        *version, ", and this build knows only ",
                                                        kMigrationCount, "; use a newer trackerd"));
    }
    if (!allowed) {
      return absl::FailedPreconditionError(
          absl::StrCat("the database's schema is version ", *version, ", and this build needs ",
                       kMigrationCount, "; run trackerd migrate, or start without --no-migrate"));
    }
    status = *version == 0 ? MakeMeta(connection) : absl::OkStatus();
    if (status.ok()) status = ApplyLacking(connection);
    if (absl::IsUnavailable(status) || absl::IsUnknown(status)) return status;
  }
  return status;
}

absl::StatusOr<int> ReadBuckets(Connection& connection) {
  int buckets = 0;
  absl::Status status = InTransaction(connection, [&]() -> absl::Status {
    absl::StatusOr<int> number = ReadNumber(connection, "buckets");
    if (!number.ok()) return number.status();
    buckets = *number;
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  if (buckets < 1) return absl::FailedPreconditionError("tracker.meta has no buckets");
  return buckets;
}

}  // namespace tracker::store::postgres
