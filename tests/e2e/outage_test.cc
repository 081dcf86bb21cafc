// The database goes away under load, and comes back; trackerd stays.
#include <gtest/gtest.h>

#include <filesystem>
#include <pqxx/pqxx>

#include "absl/strings/str_cat.h"
#include "tests/e2e/load.h"
#include "tests/e2e/world.h"

namespace tracker::e2e {
namespace {

constexpr char kService[] = "tracker.v1.TrackerService";

class Outage : public ::testing::Test {
 protected:
  static void AwaitMore(const Load& load, int64_t answers) {
    const int64_t before = load.acknowledged();
    EXPECT_TRUE(Await([&] { return load.acknowledged() >= before + answers; }));
  }

  // Ends the database in the given way, and expects callers and health to notice both that and its
  // return.
  static void Interrupt(Api& api, const Load& load,
                        absl::Status (testing::PostgresCluster::*end)()) {
    testing::PostgresCluster& postgres = SharedPostgres();
    AwaitMore(load, 300);
    EXPECT_TRUE(api.Serving());
    const int64_t before = load.unavailable();
    ASSERT_TRUE((postgres.*end)().ok());
    EXPECT_TRUE(Await([&] { return !api.Serving() && !api.Serving(kService); }))
        << "health does not follow the database";
    EXPECT_TRUE(Await([&] { return load.unavailable() > before + 50; }));
    ASSERT_TRUE(postgres.StartAgain().ok()) << postgres.LogTail();
    EXPECT_TRUE(Await([&] { return api.Serving() && api.Serving(kService); }))
        << "health does not come back with the database";
    AwaitMore(load, 300);
  }

  World world_;
};

TEST_F(Outage, NothingIsLostAndNothingIsDoneTwice) {
  testing::TrackerdProcess& server = world_.Serve(world_.NewStore(Kind::kPostgres));
  Api api(server.address());
  ASSERT_TRUE(Await([&] { return api.Serving(); }));
  Load load(server.address(), {});
  for (int round = 0; round < 2; ++round) {
    Interrupt(api, load, &testing::PostgresCluster::Stop);
    Interrupt(api, load, &testing::PostgresCluster::Crash);
  }
  load.Stop();
  EXPECT_TRUE(server.running());
  EXPECT_EQ(load.surprises(), (std::map<std::string, int>{}));
  EXPECT_EQ(load.disconnects(), (std::map<std::string, int>{}));
  for (const auto& [id, entry] : load.ledger()) EXPECT_FALSE(entry.abandoned) << id;
  ExpectLedgerHolds(api, load.ledger());
}

TEST_F(Outage, TerminatedSessionsAreReplaced) {
  const std::string url = world_.NewStore(Kind::kPostgres);
  Api api(world_.Serve(url).address());
  Load load(world_.Serve(url).address(), {});
  pqxx::connection connection(url);
  pqxx::nontransaction operator_session(connection);
  for (int i = 0; i < 10; ++i) {
    AwaitMore(load, 100);
    operator_session.exec(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'trackerd' AND datname = current_database()");
  }
  load.Stop();
  EXPECT_EQ(load.surprises(), (std::map<std::string, int>{}));
  EXPECT_EQ(load.disconnects(), (std::map<std::string, int>{}));
  ExpectLedgerHolds(api, load.ledger());
}

TEST_F(Outage, SqliteFileThatIsMovedAwayAndBack) {
  const std::string url = world_.NewStore(Kind::kSqlite);
  const std::string file = url.substr(std::string("sqlite:").size());
  Api api(world_.Serve(url).address());
  ASSERT_TRUE(api.Call(For<v1::CreateRequest>("a")).ok());
  std::filesystem::rename(file, file + ".away");
  EXPECT_TRUE(Await([&] { return !api.Serving(); }));
  EXPECT_EQ(api.Call(For<v1::CreateRequest>("b")).Verdict(), "STORE_UNAVAILABLE");
  std::filesystem::rename(file + ".away", file);
  EXPECT_TRUE(Await([&] { return api.Serving(); }));
  EXPECT_EQ(api.Call(For<v1::CreateRequest>("b")).Verdict(), "OK");
  EXPECT_EQ(api.Count(kJobs), (std::map<v1::Status, int64_t>{{v1::STATUS_PENDING, 2}}));
}

// Somebody's psql with an open transaction.
class Stranger {
 public:
  Stranger(const std::string& url, const std::string& id) : connection_(url), work_(connection_) {
    work_.exec("SELECT 1 FROM tracker.task WHERE id = " + work_.quote(id) + " FOR UPDATE");
  }

 private:
  pqxx::connection connection_;
  pqxx::work work_;
};

TEST_F(Outage, StrangersTransactionHoldsOneTaskAndNoOther) {
  const std::string url = world_.NewStore(Kind::kPostgres);
  // One lane, so that all tasks wait behind each other.
  const std::string address = world_.Serve(url, {"--lanes", "1"}).address();
  Api api(address), held_api(address);
  for (const char* id : {"held", "a", "b", "c"})
    ASSERT_TRUE(api.Call(For<v1::CreateRequest>(id)).ok());

  std::optional<Stranger> stranger(std::in_place, url, "held");
  const v1::StartRequest start = StartOf("held", std::string(32, 'a'));
  std::atomic<bool> done{false};
  std::thread caller([&] {
    const auto reply = held_api.Call(start);
    EXPECT_EQ(reply.code(), grpc::StatusCode::UNAVAILABLE);
    EXPECT_EQ(reply.Verdict(), "STORE_UNAVAILABLE");
    done = true;
  });
  const absl::Time begin = absl::Now();
  for (const char* id : {"a", "b", "c"}) {
    EXPECT_EQ(api.Call(StartOf(id, std::string(32, 'b'))).Verdict(), "OK");
  }
  EXPECT_LT(absl::Now() - begin, absl::Seconds(3));
  EXPECT_TRUE(Await([&] { return done.load(); }, absl::Seconds(5)));
  caller.join();
  // Known to be held by now: it costs the others no time.
  const absl::Time again = absl::Now();
  EXPECT_EQ(held_api.Call(start).Verdict(), "STORE_UNAVAILABLE");
  EXPECT_EQ(api.Call(Held<v1::SucceedRequest>("a", std::string(32, 'b'))).Verdict(), "OK");
  EXPECT_LT(absl::Now() - again, absl::Seconds(1));
  EXPECT_TRUE(api.Serving()) << "the database is there";

  stranger.reset();
  EXPECT_TRUE(Await([&] { return held_api.Call(start).ok(); }, absl::Seconds(10)));
  EXPECT_EQ(api.Get("held").attempts(), 1);
}

}  // namespace
}  // namespace tracker::e2e
