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
#include "absl/time/clock.h"
#include "tests/conformance/store_test.h"

namespace tracker::store {
namespace {

using domain::Command;
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
                unavailable, {"nonsense"});
  ExpectRefused("postgresql://postgres@127.0.0.1:notaport/db", unavailable, {"notaport"});
  const auto opened = Open("postgresql://u:secret@127.0.0.1:1/db", {});
  EXPECT_FALSE(absl::StrContains(opened.status().message(), "secret")) << opened.status();
}

TEST(OpenUrlTest, NoPasswordIsShown) {
  const std::pair<const char*, const char*> urls[] = {
      {"postgresql://u:secret@h:5/db", "postgresql://u:***@h:5/db"},
      {"postgresql://u:sec?ret@h/db", "postgresql://u:***@h/db"},
      {"postgresql://u:sec/ret@h/db", "postgresql://u:***@h/db"},
      {"postgresql://u:sec@ret@h/db", "postgresql://u:***@h/db"},
      {"postgresql://u@h:5/db", "postgresql://u@h:5/db"},
      {"postgresql://h:5/db", "postgresql://h:5/db"},
      {"postgresql://h/db?sslpassword=secret&password=secret&user=u",
       "postgresql://h/db?sslpassword=***&password=***&user=u"},
      {"sqlite:tracker.db", "sqlite:tracker.db"},
  };
  for (const auto& [url, shown] : urls) EXPECT_EQ(WithoutPassword(url), shown);
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

}  // namespace
}  // namespace tracker::store
