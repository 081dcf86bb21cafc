// What is SQLite's alone: files of an older version, what is forgotten, and the bound on how long a
// statement may take.
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "absl/time/clock.h"
#include "src/domain/fingerprint.h"
#include "src/store/sqlite/database.h"
#include "tests/conformance/claim_store_test.h"

namespace tracker::store {
namespace {

using domain::Create;
using domain::Fail;
using domain::Start;
using domain::Status;
using sqlite::Connection;

class SqliteFileTest : public ClaimStoreTest {
 protected:
  std::unique_ptr<Connection> Open() {
    return Value(Connection::Open((folder() / "tracker.db").string(), /*create=*/false));
  }
  int64_t QueryInt(const std::string& sql) { return Value(Open()->QueryInt(sql)); }
};
INSTANTIATE_TEST_SUITE_P(, SqliteFileTest, ::testing::Values(Backend::kSqlite), BackendName);

// Takes back what the second migration did, but for what it wrote.
constexpr char kBackToVersionOne[] = R"(
DROP INDEX task_alarm;
DROP INDEX task_claimable;
DROP INDEX task_error;
ALTER TABLE task DROP COLUMN rank;
ALTER TABLE task DROP COLUMN spent_locks;
ALTER TABLE task DROP COLUMN alarm_us;
ALTER TABLE task DROP COLUMN error_print;
ALTER TABLE task DROP COLUMN error_us;
DROP TABLE claim;
DROP TABLE policy;
DROP TABLE policy_version;
DROP TABLE policy_gone;
DROP TABLE attempt_count;
CREATE INDEX task_expiry ON task (lock_expire_us) WHERE status = 10;
PRAGMA user_version = 1;
)";

TEST_P(SqliteFileTest, AFileOfVersionOneIsBroughtUp) {
  CreateInOrder({"pending", "failed", "released"}, {.priority = 3});
  const std::string lock = NewLockToken();
  ASSERT_OK(Apply(Make("failed", Start{}, lock)));
  ASSERT_OK(Apply(Make("failed", Fail{.message = "no"}, lock)));
  ASSERT_OK(Apply(Make("released", Start{}, lock)));
  ASSERT_OK(Apply(Make("released", domain::Release{}, lock)));
  ASSERT_OK(Apply(Make("released", domain::Ignore{})));
  const absl::Time now =
      Apply(Make("running", Start{.lease = absl::Hours(2), .create_if_missing = true})).now;
  ASSERT_OK(Apply(Make("later", Create{.available_time = now + absl::Hours(1)})));
  ExecuteSql(kBackToVersionOne, "");
  Reopen(/*migrate=*/true);

  // What has become available within this second may have an alarm still.
  Reap();
  EXPECT_EQ(Sorted(ClaimIds(10)), (Ids{"failed", "pending"}));
  using Keys = std::vector<domain::TaskKey>;
  EXPECT_EQ(Value(store().ListDue(10)), Keys{});
  Advance(absl::Minutes(61));
  // The two that were claimed just now, and the one whose time has come.
  EXPECT_EQ(Value(store().ListDue(10)).size(), 3u);
  Reap();
  EXPECT_EQ(Sorted(ClaimIds(10)), (Ids{"failed", "later", "pending"}));
  Advance(absl::Hours(1));
  Reap();
  EXPECT_EQ(Get("running").task->status, Status::kFailed);
  EXPECT_EQ(QueryInt("SELECT count(*) FROM task WHERE error_print = 0 AND id = 'released'"), 1);
  EXPECT_TRUE(Value(store().CheckCounts()).mismatches.empty());
}

TEST_P(SqliteFileTest, ErrorsOfVersionOneAreOneGroup) {
  for (const std::string id : {"a", "b"}) {
    const std::string lock = NewLockToken();
    ASSERT_OK(Apply(Make(id, Start{.create_if_missing = true}, lock)));
    ASSERT_OK(Apply(Make(id, Fail{.message = "problem of " + id}, lock)));
  }
  ExecuteSql(kBackToVersionOne, "");
  Reopen(/*migrate=*/true);
  const ErrorGroups groups = Value(store().GroupErrors({.name_space = kNamespace}));
  ASSERT_EQ(groups.groups.size(), 1u);
  EXPECT_EQ(groups.groups[0].count, 2);
  EXPECT_EQ(Value(store().List({.name_space = kNamespace, .error_text = "of b"})).tasks.size(), 1u);
}

TEST_P(SqliteFileTest, OldClaimsLeaveTheFile) {
  CreateInOrder(Numbered("t", 3));
  for (int i = 0; i < 3; ++i) ASSERT_EQ(Claim(1).size(), 1u);
  EXPECT_EQ(Claim(1).size(), 0u);
  EXPECT_EQ(QueryInt("SELECT count(*) FROM claim"), 3) << "those that got nothing are not kept";
  ASSERT_OK(store().Tidy());
  EXPECT_EQ(QueryInt("SELECT count(*) FROM claim"), 3);
  Advance(limits::kClaimMemory + absl::Seconds(1));
  ASSERT_OK(store().Tidy());
  EXPECT_EQ(QueryInt("SELECT count(*) FROM claim"), 0);
}

TEST_P(SqliteFileTest, ARowThatTheDatabaseRefusesToStartStopsNoOther) {
  CreateInOrder({"a", "poison", "b"});
  ExecuteSql(
      "CREATE TRIGGER refuse BEFORE UPDATE ON task WHEN NEW.id = 'poison' "
      "BEGIN SELECT RAISE(ABORT, 'poison'); END",
      "");
  EXPECT_EQ(ClaimIds(3), (Ids{"a", "b"}));
  EXPECT_EQ(Get("poison").task->status, Status::kPending);
  EXPECT_TRUE(Value(store().CheckCounts()).mismatches.empty());
}

TEST_P(SqliteFileTest, AStatementPastItsDeadlineEnds) {
  const std::unique_ptr<Connection> connection = Open();
  constexpr char kEndless[] =
      "WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i) "
      "SELECT count(*) FROM i";
  const absl::Time begin = absl::Now();
  {
    const sqlite::Deadline deadline(*connection, absl::Milliseconds(20));
    const absl::Status status = connection->QueryInt(kEndless).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
    EXPECT_NE(status.message().find("narrow it"), absl::string_view::npos);
  }
  EXPECT_LT(absl::Now() - begin, absl::Seconds(10));
  // The connection is as good as before.
  EXPECT_EQ(Value(connection->QueryInt("SELECT count(*) FROM task")), 0);
}

}  // namespace
}  // namespace tracker::store
