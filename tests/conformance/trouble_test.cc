// Databases that cannot be opened, that go away and come back, that a stranger holds.
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <fstream>
#include <pqxx/pqxx>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "tests/conformance/store_test.h"

namespace tracker::store {
namespace {

using domain::Command;
using domain::Delete;
using domain::Outcome;
using domain::Reason;
using domain::Start;
using domain::Status;

// One line, of this code, that has the words in it.
void ExpectRefused(const std::string& url, absl::StatusCode code,
                   const std::vector<std::string>& words, bool migrate = true) {
  SCOPED_TRACE(url);
  const absl::Time begin = absl::Now();
  const auto opened = Open(url, {.migrate = migrate});
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.status().code(), code) << opened.status();
  const std::string message(opened.status().message());
  EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  for (const std::string& word : words) {
    EXPECT_TRUE(absl::StrContains(message, word)) << message << "\nlacks: " << word;
  }
  EXPECT_LT(absl::Now() - begin, absl::Seconds(15));
}

class OpenTest : public StoreTest {};
INSTANTIATE_FOR_ALL_STORES(OpenTest);

TEST_P(OpenTest, RefusesAnEmptyDatabaseThatItMayNotMigrate) {
  if (sqlite()) {
    const std::string file = (folder() / "empty.db").string();
    ExpectRefused("sqlite:" + file, absl::StatusCode::kFailedPrecondition, {file, "migrate"},
                  /*migrate=*/false);
    EXPECT_FALSE(std::filesystem::exists(file));
    std::ofstream(file).close();
    ExpectRefused("sqlite:" + file, absl::StatusCode::kFailedPrecondition, {file, "migrate"},
                  /*migrate=*/false);
  } else {
    static int databases = 0;
    const std::string name = absl::StrCat("empty", ++databases);
    ASSERT_OK(SharedPostgres().CreateDatabase(name));
    ExpectRefused(SharedPostgres().Url(name), absl::StatusCode::kFailedPrecondition, {"migrate"},
                  /*migrate=*/false);
  }
  // What is migrated needs no migration.
  EXPECT_NE(OpenAnother(/*migrate=*/false), nullptr);
}

TEST(OpenUrlTest, RefusesUrlsOfNoKnownKind) {
  for (const char* url : {"", "tracker.db", "mysql://host/db", "sqlite", "postgres:/x"}) {
    ExpectRefused(url, absl::StatusCode::kInvalidArgument, {"sqlite:", "postgresql://"});
  }
  ExpectRefused("sqlite:", absl::StatusCode::kInvalidArgument, {"sqlite:tracker.db"});
}

TEST(OpenUrlTest, SqliteSaysWhyAndWhatToDo) {
  std::string name = (std::filesystem::temp_directory_path() / "tracker-open-XXXXXX").string();
  ASSERT_NE(mkdtemp(name.data()), nullptr);
  const std::filesystem::path folder = name;
  const std::string other = folder / "other.db";
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(other.c_str(), &database), SQLITE_OK);
  sqlite3_exec(database, "CREATE TABLE cookies (x)", nullptr, nullptr, nullptr);
  sqlite3_close(database);
  const std::string newer = folder / "newer.db";
  ASSERT_TRUE(Open("sqlite:" + newer, {}).ok());
  ASSERT_EQ(sqlite3_open(newer.c_str(), &database), SQLITE_OK);
  sqlite3_exec(database, "PRAGMA user_version = 99", nullptr, nullptr, nullptr);
  sqlite3_close(database);
  const std::string text = folder / "text.db";
  std::ofstream(text) << std::string(5000, 'x');

  const auto precondition = absl::StatusCode::kFailedPrecondition;
  const auto argument = absl::StatusCode::kInvalidArgument;
  ExpectRefused("sqlite::memory:", argument, {"memory", "file"});
  ExpectRefused("sqlite://tracker.db", argument, {"sqlite:tracker.db"});
  ExpectRefused("sqlite:" + name + "/missing/t.db", precondition, {name + "/missing", "folder"});
  ExpectRefused("sqlite:" + name, precondition, {"folder"});
  ExpectRefused("sqlite:" + text, precondition, {text, "no SQLite database"});
  ExpectRefused("sqlite:" + other, precondition, {other, "another program"});
  ExpectRefused("sqlite:" + newer, precondition, {newer, "99", "newer"});
  ExpectRefused("sqlite:/proc/tracker.db", absl::StatusCode::kUnavailable, {"/proc/tracker.db"});
  // What was refused was left alone.
  ASSERT_EQ(sqlite3_open(other.c_str(), &database), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(database, "SELECT x FROM cookies", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(database);
  EXPECT_FALSE(std::filesystem::exists(other + "-wal"));
  std::filesystem::remove_all(folder);
}

TEST(OpenUrlTest, PostgresSaysWhyAndHidesThePassword) {
  const int port = SharedPostgres().port();
  const auto unavailable = absl::StatusCode::kUnavailable;
  ExpectRefused("postgresql://u:secret@127.0.0.1:1/db", unavailable, {"127.0.0.1:1"});
  ExpectRefused(SharedPostgres().Url("nobodys"), unavailable, {"nobodys"});
  ExpectRefused("postgresql://postgres@no-such-host.invalid/db", unavailable, {"no-such-host"});
  ExpectRefused(absl::StrCat("postgresql://postgres@127.0.0.1:", port, "/db?nonsense=1"),
                absl::StatusCode::kInvalidArgument, {"nonsense"});
  ExpectRefused("postgresql://postgres@127.0.0.1:notaport/db", absl::StatusCode::kInvalidArgument,
                {"port"});
  const auto opened = Open("postgresql://u:secret@127.0.0.1:1/db", {});
  EXPECT_FALSE(absl::StrContains(opened.status().message(), "secret")) << opened.status();
}

TEST(OpenUrlTest, PostgresIsNamedByLibpqsKeywordsToo) {
  ASSERT_OK(SharedPostgres().CreateDatabase("by_keywords"));
  const std::string keywords = absl::StrCat("host=127.0.0.1 port=", SharedPostgres().port(),
                                            " user=postgres dbname='by_keywords'");
  const auto opened = Open(keywords, {});
  ASSERT_OK(opened);
  EXPECT_OK((*opened)->Ping());
  ExpectRefused(absl::StrCat(keywords, " password=secret dbname=nobodys"),
                absl::StatusCode::kUnavailable, {"nobodys", "password=***"});
}

TEST(OpenUrlTest, PostgresRefusesADatabaseThatCannotHoldEveryId) {
  pqxx::connection connection(SharedPostgres().Url("postgres"));
  pqxx::nontransaction(connection)
      .exec(
          "CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");
  ExpectRefused(SharedPostgres().Url("latin"), absl::StatusCode::kFailedPrecondition,
                {"LATIN1", "UTF8"});
}

class TroubleTest : public StoreTest {
 protected:
  void TakeAway() {
    if (sqlite()) {
      std::filesystem::rename(folder() / "tracker.db", folder() / "moved.db");
    } else {
      ASSERT_OK(SharedPostgres().Stop());
    }
  }
  void BringBack() {
    if (sqlite()) {
      std::filesystem::rename(folder() / "moved.db", folder() / "tracker.db");
    } else {
      ASSERT_OK(SharedPostgres().StartAgain());
    }
  }
};
INSTANTIATE_FOR_ALL_STORES(TroubleTest);

TEST_P(TroubleTest, ADatabaseThatGoesAwayIsUnavailableAndThenBack) {
  CreateAll({"a"});
  const Command start = Make("a", Start{.worker = "w"});
  ASSERT_OK(Apply(start));
  TakeAway();
  const std::vector<Command> commands = {start, Make("b", Start{.create_if_missing = true})};
  for (const Outcome& outcome : Apply(commands)) {
    EXPECT_EQ(outcome.reason, Reason::kStoreUnavailable);
    EXPECT_FALSE(outcome.message.empty());
  }
  const ClaimQuery claim = {.name_space = kNamespace, .orders = {{.token = "t"}}};
  EXPECT_EQ(store().Claim(claim).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(store().SetPolicy({.name_space = "n"}, {}).status().code(),
            absl::StatusCode::kUnavailable);
  EXPECT_EQ(store().DeletePolicy("n").code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(store().Tidy().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(store().Ping().code(), absl::StatusCode::kUnavailable);
  if (!sqlite()) {
    EXPECT_EQ(store().HaveClaimable({kNamespace}).status().code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ(store().GroupErrors({.name_space = kNamespace}).status().code(),
              absl::StatusCode::kUnavailable);
    EXPECT_EQ(store().ListFinished({.name_space = kNamespace}).status().code(),
              absl::StatusCode::kUnavailable);
    EXPECT_EQ(store().CheckCounts().status().code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ(store().PolicyVersion().status().code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ(Get("a").reason, Reason::kStoreUnavailable);
    EXPECT_EQ(store().List({.name_space = kNamespace}).status().code(),
              absl::StatusCode::kUnavailable);
    EXPECT_EQ(store().Count("").status().code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ(store().ListDue(1).status().code(), absl::StatusCode::kUnavailable);
  }
  BringBack();
  // The same commands, the same tokens, the same store.
  for (const Outcome& outcome : Apply(commands)) EXPECT_OK(outcome);
  EXPECT_OK(store().Ping());
  EXPECT_OK(store().Claim(claim));
  EXPECT_EQ(Get("a").task->fence, 1);
  EXPECT_EQ(Get("b").task->fence, 1);
  EXPECT_EQ(Total(Value(store().Count(kNamespace))), 2);
}

TEST_P(TroubleTest, AStrangersTransactionThatEndsIsWaitedFor) {
  CreateAll({"a", "b"});
  std::atomic<bool> held = false;
  std::thread stranger([&] {
    if (sqlite()) {
      sqlite3* database = nullptr;
      sqlite3_open((folder() / "tracker.db").c_str(), &database);
      sqlite3_busy_timeout(database, 5000);
      sqlite3_exec(database, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr);
      held = true;
      absl::SleepFor(absl::Milliseconds(200));
      sqlite3_exec(database, "COMMIT", nullptr, nullptr, nullptr);
      sqlite3_close(database);
    } else {
      pqxx::connection connection(url());
      pqxx::work work(connection);
      work.exec("SELECT 1 FROM tracker.task WHERE id = 'a' FOR UPDATE");
      held = true;
      absl::SleepFor(absl::Milliseconds(200));
    }
  });
  while (!held) absl::SleepFor(absl::Milliseconds(1));
  for (const Outcome& outcome : Apply({Make("a", Start{}), Make("b", Start{})})) {
    EXPECT_OK(outcome);
  }
  stranger.join();
}

TEST_P(TroubleTest, WhatAStrangerKeepsIsUnavailableAndThenBack) {
  CreateAll({"a", "b", "c"});
  const std::vector<Command> commands = {Make("a", Start{}), Make("b", Start{}),
                                         Make("c", Start{})};
  std::vector<Outcome> outcomes;
  const absl::Time begin = absl::Now();
  if (sqlite()) {
    // SQLite has one lock for all.
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open((folder() / "tracker.db").c_str(), &database), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(database, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
    outcomes = Apply(commands);
    sqlite3_close(database);
    EXPECT_EQ(outcomes[0].reason, Reason::kStoreUnavailable);
    EXPECT_EQ(outcomes[2].reason, Reason::kStoreUnavailable);
  } else {
    // The one row stops no other.
    pqxx::connection connection(url());
    pqxx::work stranger(connection);
    stranger.exec("SELECT 1 FROM tracker.task WHERE id = 'b' FOR UPDATE");
    outcomes = Apply(commands);
    EXPECT_OK(outcomes[0]);
    EXPECT_OK(outcomes[2]);
  }
  EXPECT_EQ(outcomes[1].reason, sqlite() ? Reason::kStoreUnavailable : Reason::kHeld);
  EXPECT_LT(absl::Now() - begin, absl::Seconds(15));
  for (const Outcome& outcome : Apply(commands)) EXPECT_OK(outcome);
  EXPECT_EQ(Get("a").task->fence, 1);
}

// Many rows that are held would each cost a turn of lock_timeout; whoever may leave them out does
// not wait for any.
TEST_P(TroubleTest, WhatIsHeldIsLeftOutWhereThatIsAsked) {
  if (sqlite()) GTEST_SKIP() << "SQLite holds no rows";
  std::vector<Command> commands;
  for (int i = 0; i < 100; ++i) {
    commands.push_back(Make(absl::StrCat(i % 2 == 0 ? "held-" : "free-", i), domain::Create{}));
  }
  for (const Outcome& outcome : Apply(commands)) ASSERT_OK(outcome);
  for (Command& command : commands) command.action = domain::Ignore{};
  const std::vector<const Command*> pointers = domain::PointersTo(commands);
  const absl::Time begin = absl::Now();
  {
    pqxx::connection connection(url());
    pqxx::work stranger(connection);
    stranger.exec("SELECT 1 FROM tracker.task WHERE id LIKE 'held%' FOR UPDATE");
    const std::vector<Outcome> outcomes =
        store().Apply(pointers, {.patience = absl::ZeroDuration()});
    for (size_t i = 0; i < commands.size(); ++i) {
      EXPECT_EQ(outcomes[i].reason, i % 2 == 0 ? Reason::kHeld : Reason::kOk) << i;
    }
  }
  EXPECT_LT(absl::Now() - begin, absl::Seconds(5));
  for (const Outcome& outcome : store().Apply(pointers, {.patience = absl::ZeroDuration()}))
    EXPECT_OK(outcome);
}

// An insert of the same key can only wait for the stranger's.
TEST_P(TroubleTest, ATaskThatAStrangerIsMakingStopsNoOther) {
  if (sqlite()) GTEST_SKIP() << "SQLite has one lock for all: see the test before";
  std::vector<Command> commands;
  for (int i = 0; i < 16; ++i) commands.push_back(Make(absl::StrCat("t", i), domain::Create{}));
  {
    pqxx::connection connection(url());
    pqxx::work stranger(connection);
    stranger.exec(
        "INSERT INTO tracker.task SELECT bucket, namespace, 't7', status, attempts, max_attempts,"
        " priority, fence, create_us, update_us, available_us, worker, lock, lock_us,"
        " lock_expire_us, lease_us FROM (VALUES (0, 'n', 0::smallint, 0, 0, 0, 0::bigint, "
        "1::bigint,"
        " 1::bigint, 1::bigint, '', 'x', 0::bigint, 0::bigint, 0::bigint)) AS v(bucket, namespace,"
        " status, attempts, max_attempts, priority, fence, create_us, update_us, available_us,"
        " worker, lock, lock_us, lock_expire_us, lease_us)");
    const std::vector<Outcome> outcomes =
        store().Apply(domain::PointersTo(commands), {.patience = absl::ZeroDuration()});
    for (size_t i = 0; i < outcomes.size(); ++i) {
      EXPECT_EQ(outcomes[i].reason, i == 7 ? Reason::kHeld : Reason::kOk) << i;
    }
  }
  EXPECT_OK(Apply(commands[7]));
}

// An ALTER TABLE or CREATE INDEX holds all rows at once; looking for the one that is held would
// take a turn of lock_timeout for each command.
TEST_P(TroubleTest, ATableThatAStrangerHoldsIsUnavailableInBoundedTime) {
  if (sqlite()) GTEST_SKIP() << "SQLite has one lock for all: see the test before";
  std::vector<Command> commands;
  for (int i = 0; i < 200; ++i) {
    commands.push_back(Make(absl::StrCat("t", i), Start{.create_if_missing = true}));
  }
  const absl::Time begin = absl::Now();
  {
    pqxx::connection connection(url());
    pqxx::work stranger(connection);
    stranger.exec("LOCK TABLE tracker.task IN SHARE MODE");
    for (const Outcome& outcome : Apply(commands)) {
      EXPECT_EQ(outcome.reason, Reason::kStoreUnavailable);
    }
  }
  EXPECT_LT(absl::Now() - begin, absl::Seconds(15));
  for (const Outcome& outcome : Apply(commands)) EXPECT_OK(outcome);
}

// None of the database's own words: SQL, names of its tables, its messages, its codes.
void ExpectNoDatabaseText(absl::string_view message) {
  EXPECT_FALSE(message.empty());
  for (const char* word :
       {"tracker.", "SELECT", "ERROR", "canceling", "lock timeout", "relation", "55P03", "pqxx",
        "SQLite", "database is locked", "task_count", "syntax", "EXECUTE"}) {
    EXPECT_FALSE(absl::StrContains(message, word)) << message;
  }
}

void ExpectMayPass(const absl::Status& status) {
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  ExpectNoDatabaseText(status.message());
}

void ExpectMayPass(const Outcome& outcome) {
  EXPECT_EQ(outcome.reason, Reason::kStoreUnavailable) << outcome.message;
  ExpectNoDatabaseText(outcome.message);
}

// ALTER TABLE, CREATE INDEX, LOCK TABLE, VACUUM FULL: they pass.
TEST_P(TroubleTest, TablesThatAStrangerHoldsAreUnavailableWhateverIsAsked) {
  if (sqlite()) GTEST_SKIP() << "SQLite's readers wait for nobody";
  CreateAll({"a"});
  absl::Mutex mutex;
  std::vector<StoreEvent> events;
  auto opened = Open(url(), {.on_event = [&](const StoreEvent& event) {
                       absl::MutexLock lock(&mutex);
                       events.push_back(event);
                     }});
  ASSERT_OK(opened);
  Store& told = **opened;
  ASSERT_OK(told.Ping());
  {
    pqxx::connection connection(url());
    pqxx::work stranger(connection);
    for (const char* table : {"task", "ready", "alarm", "idle", "claim", "task_count",
                              "attempt_count", "policy", "policy_gone", "meta"}) {
      stranger.exec(absl::StrCat("LOCK TABLE tracker.", table, " IN ACCESS EXCLUSIVE MODE"));
    }
    ExpectMayPass(told.Get({kNamespace, "a"}));
    ExpectMayPass(told.List({.name_space = kNamespace}).status());
    ExpectMayPass(told.List({.name_space = kNamespace, .worker = "w"}).status());
    ExpectMayPass(told.Count("").status());
    ExpectMayPass(told.Count(kNamespace).status());
    ExpectMayPass(told.Claim({.name_space = kNamespace, .orders = {{.token = "t"}}}).status());
    ExpectMayPass(told.HaveClaimable({kNamespace}).status());
    ExpectMayPass(told.ListDue(1).status());
    ExpectMayPass(told.ListFinished({.name_space = kNamespace}).status());
    ExpectMayPass(told.GroupErrors({.name_space = kNamespace}).status());
    ExpectMayPass(told.CheckCounts().status());
    ExpectMayPass(told.SetPolicy({.name_space = "n"}, std::nullopt).status());
    ExpectMayPass(told.GetPolicy("n").status());
    ExpectMayPass(told.ListPolicies().status());
    ExpectMayPass(told.ListPolicyChanges(0, 1).status());
    ExpectMayPass(told.PolicyVersion().status());
    ExpectMayPass(told.DeletePolicy("n"));
    ExpectMayPass(told.CountAttempts("n", absl::Minutes(1), absl::UnixEpoch()).status());
    ExpectMayPass(told.ListAttempted("", 1).status());
    ExpectMayPass(told.Tidy());
    ExpectMayPass(ApplyTo(told, {Make("a", Start{})})[0]);
  }
  EXPECT_OK(told.Get({kNamespace, "a"}));
  absl::MutexLock lock(&mutex);
  ASSERT_FALSE(events.empty());
  EXPECT_STREQ(events[0].name, "database_error");
  EXPECT_EQ(events[0].code, "55P03");
  EXPECT_TRUE(absl::StrContains(events[0].text, "lock timeout")) << events[0].text;
}

TEST_P(TroubleTest, WhatTheDatabaseRefusesIsInternalAndTellsNothingOfIt) {
  CreateAll({"a"});
  ExecuteSql("DROP TABLE policy", "DROP TABLE tracker.policy");
  ExecuteSql("ALTER TABLE task RENAME COLUMN worker TO w",
             "ALTER TABLE tracker.task RENAME COLUMN worker TO w");
  Reopen();
  const Outcome refused = Apply(Make("a", Start{}));
  EXPECT_FALSE(refused.ok());
  ExpectNoDatabaseText(refused.message);
  ExpectNoDatabaseText(Get("a").message);
  ExpectNoDatabaseText(store().ListPolicies().status().message());
  ExpectNoDatabaseText(store().SetPolicy({.name_space = "n"}, std::nullopt).status().message());
  ExpectNoDatabaseText(store().List({.name_space = kNamespace}).status().message());
  // Whoever runs the server can be told.
  EXPECT_TRUE(absl::StrContains(ForLog(store().ListPolicies().status()), "policy"));
}

// What a role may do in the database of a test.
class RoleTest : public StoreTest {
 protected:
  // The URL of the database for a new role with these grants, separated by semicolons.
  std::string UrlOfRole(const std::string& grants) {
    static int roles = 0;
    const std::string role = absl::StrCat("role", ++roles);
    pqxx::connection connection(url());
    pqxx::nontransaction session(connection);
    session.exec("CREATE ROLE " + role + " LOGIN");
    session.exec(absl::StrReplaceAll(grants, {{"$role", role}}));
    return absl::StrReplaceAll(url(), {{"//postgres@", absl::StrCat("//", role, "@")}});
  }
};
INSTANTIATE_TEST_SUITE_P(, RoleTest, ::testing::Values(Backend::kPostgres), BackendName);

void ExpectToWork(const std::string& url, bool migrate) {
  const auto opened = Open(url, {.migrate = migrate});
  ASSERT_OK(opened);
  Store& store = **opened;
  EXPECT_OK(store.Ping());
  EXPECT_OK(ApplyTo(store, {Make("a", Start{.create_if_missing = true}, "lock")})[0]);
  EXPECT_OK(ApplyTo(store, {Make("a", domain::Fail{}, "lock")})[0]);
  EXPECT_OK(store.Claim({.name_space = kNamespace, .orders = {{.token = "t"}}}));
  EXPECT_OK(store.SetPolicy({.name_space = "n"}, std::nullopt));
  EXPECT_OK(store.DeletePolicy("n"));
  EXPECT_OK(store.Tidy());
  EXPECT_OK(ApplyTo(store, {Make("a", Delete{.force = true})})[0]);
}

TEST_P(RoleTest, ASchemaThatWasMadeBeforehandNeedsNoRightToMakeSchemas) {
  const std::string owned =
      UrlOfRole("DROP SCHEMA tracker CASCADE; CREATE SCHEMA tracker AUTHORIZATION $role");
  ExpectToWork(owned, /*migrate=*/true);
  const std::string granted = UrlOfRole(
      "DROP SCHEMA tracker CASCADE; CREATE SCHEMA tracker;"
      " GRANT USAGE, CREATE ON SCHEMA tracker TO $role");
  ExpectToWork(granted, /*migrate=*/true);
}

TEST_P(RoleTest, AMigratedSchemaNeedsNoMoreThanReadingAndWriting) {
  const std::string writes = UrlOfRole(
      "GRANT USAGE ON SCHEMA tracker TO $role;"
      " GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA tracker TO $role");
  ExpectToWork(writes, /*migrate=*/true);
  ExpectToWork(writes, /*migrate=*/false);
}

TEST_P(RoleTest, ARoleThatMayOnlyReadIsToldSo) {
  const std::string url = UrlOfRole(
      "GRANT USAGE ON SCHEMA tracker TO $role;"
      " GRANT SELECT ON ALL TABLES IN SCHEMA tracker TO $role");
  const auto opened = Open(url, {});
  ASSERT_OK(opened);
  const absl::Status status = (*opened)->Ping();
  ExpectMayPass(status);
  EXPECT_TRUE(absl::StrContains(ForLog(status), "INSERT on tracker.task")) << ForLog(status);
  EXPECT_OK((*opened)->Count(""));
}

}  // namespace
}  // namespace tracker::store
