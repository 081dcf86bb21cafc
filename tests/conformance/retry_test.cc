// PostgreSQL only: transactions that fail for a reason that passes, and commits of which nobody
// knows whether they were done.
#include <gtest/gtest.h>

#include <future>
#include <pqxx/pqxx>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "src/base/token.h"
#include "tests/conformance/store_test.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/postgres_cluster.h"

namespace tracker::store {
namespace {

using domain::Command;
using domain::Outcome;
using domain::Reason;
using domain::Status;

std::string FreshDatabase() {
  static int databases = 0;
  const std::string name = absl::StrCat("retry", ++databases);
  EXPECT_TRUE(SharedPostgres().CreateDatabase(name).ok());
  return name;
}

class FailingTransactionTest : public ::testing::Test {
 protected:
  void SetUp() override {
    url_ = SharedPostgres().Url(FreshDatabase());
    store_ = Value(Open(url_, {}));
  }

  // The next `count` transactions that write fail with this error. The sequence is not rolled
  // back with them, so it counts.
  void FailNext(int count, const std::string& sqlstate) {
    pqxx::connection connection(url_);
    pqxx::nontransaction work(connection);
    work.exec("DROP TRIGGER IF EXISTS failing ON tracker.task_count");
    work.exec("DROP SEQUENCE IF EXISTS failures");
    work.exec("CREATE SEQUENCE failures");
    work.exec(
        absl::StrCat("CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$"
                     "BEGIN IF nextval('failures') <= ",
                     count, " THEN RAISE EXCEPTION 'on command' USING ERRCODE = '", sqlstate,
                     "'; END IF; RETURN NULL; END $$"));
    work.exec(
        "CREATE TRIGGER failing BEFORE INSERT ON tracker.task_count"
        " FOR EACH STATEMENT EXECUTE FUNCTION fail()");
  }
  int64_t Attempts() {
    pqxx::connection connection(url_);
    pqxx::nontransaction work(connection);
    return work.exec("SELECT last_value FROM failures")[0][0].as<int64_t>();
  }

  std::string url_;
  std::unique_ptr<Store> store_;
};

TEST_F(FailingTransactionTest, RunsASerializationFailureAgain) {
  FailNext(3, "40001");
  EXPECT_OK(ApplyTo(*store_, {Make("a", domain::Create{})})[0]);
  EXPECT_EQ(Attempts(), 4);
}

TEST_F(FailingTransactionTest, RunsADeadlockAgain) {
  FailNext(3, "40P01");
  EXPECT_OK(ApplyTo(*store_, {Make("a", domain::Create{})})[0]);
  EXPECT_EQ(Attempts(), 4);
}

TEST_F(FailingTransactionTest, GivesUpOnOneThatNeverPasses) {
  FailNext(1'000'000, "40001");
  EXPECT_EQ(ApplyTo(*store_, {Make("a", domain::Create{})})[0].reason, Reason::kStoreUnavailable);
  EXPECT_LE(Attempts(), 100);
  EXPECT_EQ(store_->Get({"n", "a"}).reason, Reason::kTaskNotFound);
}

TEST_F(FailingTransactionTest, AServerThatIsGoingAwayIsTriedAgain) {
  FailNext(1, "57P01");
  EXPECT_OK(ApplyTo(*store_, {Make("a", domain::Create{})})[0]);
}

TEST_F(FailingTransactionTest, AServerThatHasBecomeReadOnlyIsLeftAndAnotherConnectionTried) {
  FailNext(1, "25006");
  EXPECT_OK(ApplyTo(*store_, {Make("a", domain::Create{})})[0]);
  FailNext(1'000'000, "25006");
  EXPECT_EQ(ApplyTo(*store_, {Make("b", domain::Create{})})[0].reason, Reason::kStoreUnavailable);
}

// The setting holds for sessions from their begin on: only a new connection can write again.
TEST_F(FailingTransactionTest, HealthLeavesAServerThatHasBecomeReadOnly) {
  pqxx::connection connection(url_);
  pqxx::nontransaction work(connection);
  const std::string database = work.quote_name(connection.dbname());
  work.exec("ALTER DATABASE " + database + " SET default_transaction_read_only = on");
  EXPECT_FALSE(store_->Ping().ok());
  work.exec("ALTER DATABASE " + database + " RESET default_transaction_read_only");
  EXPECT_OK(store_->Ping());
}

TEST_F(FailingTransactionTest, ABatchThatIsTooMuchForTheServerIsSplit) {
  FailNext(1, "54000");
  for (const Outcome& outcome :
       ApplyTo(*store_, {Make("a", domain::Create{}), Make("b", domain::Create{})})) {
    EXPECT_OK(outcome);
  }
  EXPECT_EQ(Attempts(), 3);
}

TEST_F(FailingTransactionTest, AFullDiskIsUnavailableNotADefectOfTheTask) {
  FailNext(1'000'000, "53100");
  EXPECT_EQ(ApplyTo(*store_, {Make("a", domain::Create{})})[0].reason, Reason::kStoreUnavailable);
}

class UnknownCommitTest : public ::testing::Test {
 protected:
  void SetUp() override {
    proxy_ = Value(testing::FaultProxy::Start(SharedPostgres().port()));
    const std::string database = FreshDatabase();
    direct_url_ = SharedPostgres().Url(database);
    ASSERT_OK(Open(direct_url_, {}));
    url_ = absl::StrCat("postgresql://postgres@127.0.0.1:", proxy_->port(), "/", database,
                        "?sslmode=disable&gssencmode=disable");
    store_ = Value(Open(url_, {}));
  }
  // Applies the command, and loses the answer to its first commit.
  Outcome ApplyLosingTheAnswer(const Command& command) {
    proxy_->CutAfterRequest(1, {"COMMIT"});
    const int64_t lost = proxy_->counts().lost_answers;
    Outcome outcome = ApplyTo(*store_, {command})[0];
    EXPECT_EQ(proxy_->counts().lost_answers, lost + 1);
    return outcome;
  }

  std::unique_ptr<testing::FaultProxy> proxy_;
  std::string direct_url_;
  // Through the proxy.
  std::string url_;
  std::unique_ptr<Store> store_;
};

TEST_F(UnknownCommitTest, EveryCommandActsOnceAndIsAnsweredAsIfNothingHadHappened) {
  EXPECT_OK(ApplyLosingTheAnswer(Make("a", domain::Create{})));
  const std::string first = NewLockToken();
  const Outcome started = ApplyLosingTheAnswer(Make("a", domain::Start{.worker = "w"}, first));
  ASSERT_OK(started);
  EXPECT_EQ(started.task->attempts, 1);
  EXPECT_EQ(started.task->fence, 1);
  EXPECT_EQ(started.task->lock, first);
  EXPECT_OK(ApplyLosingTheAnswer(Make("a", domain::Heartbeat{}, first)));
  const Outcome failed = ApplyLosingTheAnswer(Make("a", domain::Fail{.message = "no"}, first));
  ASSERT_OK(failed);
  EXPECT_EQ(failed.task->errors.size(), 1);
  const std::string second = NewLockToken();
  EXPECT_OK(ApplyLosingTheAnswer(Make("a", domain::Start{}, second)));
  const Outcome released = ApplyLosingTheAnswer(Make("a", domain::Release{}, second));
  ASSERT_OK(released);
  EXPECT_EQ(released.task->attempts, 1);
  const std::string third = NewLockToken();
  EXPECT_OK(ApplyLosingTheAnswer(Make("a", domain::Start{}, third)));
  const Outcome succeeded = ApplyLosingTheAnswer(Make("a", domain::Succeed{}, third));
  ASSERT_OK(succeeded);
  EXPECT_EQ(succeeded.task->fence, 3);
  EXPECT_EQ(succeeded.task->attempts, 2);
  EXPECT_OK(ApplyLosingTheAnswer(Make("a", domain::Ignore{})));
  EXPECT_OK(ApplyLosingTheAnswer(Make("a", domain::Reset{})));
  EXPECT_EQ(Value(store_->Count("n")), (std::vector<StatusCount>{{"n", Status::kPending, 1}}));
  EXPECT_OK(ApplyLosingTheAnswer(Make("a", domain::Delete{})));
  EXPECT_TRUE(Value(store_->Count("n")).empty());
  // That was another one.
  EXPECT_EQ(ApplyTo(*store_, {Make("a", domain::Delete{})})[0].reason, Reason::kTaskNotFound);
}

// The server's process has not heard of the connection's end, and waits in the transaction with the
// row locked.
TEST_F(UnknownCommitTest, ACommitThatNeverArrivedIsDoneOnce) {
  ASSERT_OK(ApplyTo(*store_, {Make("a", domain::Create{})})[0]);
  proxy_->LoseRequest(1, {"COMMIT", "a"});
  const Outcome started = ApplyTo(*store_, {Make("a", domain::Start{})})[0];
  EXPECT_EQ(proxy_->counts().lost_requests, 1);
  ASSERT_OK(started);
  EXPECT_EQ(started.task->fence, 1);
  EXPECT_EQ(started.task->attempts, 1);
}

// Others act between the commit and the end of the connection.
TEST_F(UnknownCommitTest, WhatOthersDidSinceStaysAsItIs) {
  const std::unique_ptr<Store> other = Value(Open(direct_url_, {}));
  ASSERT_OK(ApplyTo(*store_, {Make("a", domain::Create{})})[0]);
  const std::string lock = NewLockToken();
  proxy_->CutAfterRequest(1, {"COMMIT", "a"}, [&] {
    EXPECT_OK(ApplyTo(*other, {Make("a", domain::Create{})})[0]);
    EXPECT_OK(ApplyTo(*other, {Make("a", domain::Start{.worker = "other"}, lock)})[0]);
  });
  const Outcome deleted = ApplyTo(*store_, {Make("a", domain::Delete{})})[0];
  EXPECT_EQ(proxy_->counts().lost_answers, 1);
  ASSERT_OK(deleted);
  EXPECT_EQ(deleted.task->status, Status::kPending) << "the task as it was";
  EXPECT_OK(ApplyTo(*other, {Make("a", domain::Succeed{}, lock)})[0]);
}

// After a crash PostgreSQL gives the numbers of transactions that left no trace in its log to new
// ones. The number of a commit that was lost so may be another's, which was done.
TEST(CommitLostInACrash, IsNotTakenForTheOneThatHasItsNumberNow) {
  // Nothing is written to the log on its own for as long as the test takes.
  const auto postgres =
      Value(testing::PostgresCluster::Start({.settings = {"wal_writer_delay=10s"}}));
  ASSERT_TRUE(postgres->CreateDatabase("crash").ok());
  const std::string url = postgres->Url("crash");
  const auto proxy = Value(testing::FaultProxy::Start(postgres->port()));
  const std::unique_ptr<Store> store =
      Value(Open(absl::StrCat("postgresql://postgres@127.0.0.1:", proxy->port(),
                              "/crash?sslmode=disable&gssencmode=disable"),
                 {}));
  ASSERT_OK(ApplyTo(*store, {Make("a", domain::Create{})})[0]);
  // Nobody can ask before all of it has happened.
  proxy->Refuse(true);
  proxy->LoseRequest(1, {"COMMIT"});
  const Command start = Make("a", domain::Start{});
  std::future<Outcome> started =
      std::async(std::launch::async, [&] { return ApplyTo(*store, {start})[0]; });
  while (proxy->counts().lost_requests == 0) absl::SleepFor(absl::Milliseconds(1));
  std::string lost_number;
  {
    pqxx::connection connection(url);
    pqxx::nontransaction work(connection);
    lost_number = work.exec(
                          "SELECT backend_xid FROM pg_stat_activity"
                          " WHERE backend_xid IS NOT NULL")[0][0]
                      .c_str();
  }
  ASSERT_TRUE(postgres->Crash().ok());
  ASSERT_TRUE(postgres->StartAgain().ok());
  pqxx::connection connection(url);
  pqxx::nontransaction work(connection);
  while (work.exec("SELECT pg_current_xact_id()")[0][0].as<int64_t>() <= std::stoll(lost_number)) {
  }
  ASSERT_EQ(work.exec("SELECT pg_xact_status('" + lost_number + "'::xid8)")[0][0].c_str(),
            std::string("committed"))
      << "its number is another's";
  proxy->Refuse(false);
  EXPECT_EQ(started.get().reason, Reason::kStoreUnavailable);
  EXPECT_EQ(store->Get({"n", "a"}).task->status, Status::kPending);
  EXPECT_OK(ApplyTo(*store, {start})[0]);
}

// The transactions of several buckets may run on other servers, which this one cannot answer for.
TEST_F(UnknownCommitTest, WhatIsNeverKnownIsUnavailableAndSafeToRepeat) {
  {
    pqxx::connection connection(direct_url_);
    pqxx::nontransaction(connection)
        .exec("UPDATE tracker.meta SET value = '2' WHERE key = 'buckets'");
  }
  store_ = Value(Open(url_, {}));
  const Command start = Make("a", domain::Start{.create_if_missing = true});
  proxy_->CutAfterRequest(1, {"COMMIT"});
  EXPECT_EQ(ApplyTo(*store_, {start})[0].reason, Reason::kStoreUnavailable);
  const Outcome again = ApplyTo(*store_, {start})[0];
  ASSERT_OK(again);
  EXPECT_EQ(again.task->fence, 1);
  EXPECT_EQ(again.task->attempts, 1);
}

}  // namespace
}  // namespace tracker::store
