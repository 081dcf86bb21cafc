// A PostgreSQL and its synchronous standby, which takes its place under load; trackerd knows both
// by one URL, and goes over by itself.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <memory>
#include <pqxx/pqxx>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "src/base/token.h"
#include "tests/e2e/load.h"
#include "tests/e2e/world.h"
#include "tests/support/fault_proxy.h"

namespace tracker::e2e {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(60);

// The longest time without an acknowledged answer.
class Gap {
 public:
  explicit Gap(const Load& load) : thread_([this, &load] { Run(load); }) {}
  ~Gap() { (void)Take(); }

  absl::Duration Take() {
    stopping_ = true;
    if (thread_.joinable()) thread_.join();
    return longest_;
  }

 private:
  void Run(const Load& load) {
    int64_t seen = load.acknowledged();
    absl::Time last = absl::Now();
    while (!stopping_) {
      absl::SleepFor(absl::Milliseconds(2));
      const int64_t now = load.acknowledged();
      longest_ = std::max(longest_, absl::Now() - last);
      if (now == seen) continue;
      seen = now;
      last = absl::Now();
    }
  }

  std::atomic<bool> stopping_{false};
  absl::Duration longest_;
  std::thread thread_;
};

class Failover : public ::testing::Test {
 protected:
  void SetUp() override {
    auto primary = testing::PostgresCluster::Start({.fsync = false});
    ASSERT_TRUE(primary.ok()) << primary.status();
    primary_ = *std::move(primary);
    ASSERT_TRUE(primary_->CreateDatabase("db").ok());
    auto standby = primary_->StartStandby({.fsync = false});
    ASSERT_TRUE(standby.ok()) << standby.status();
    standby_ = *std::move(standby);
  }

  std::string UrlOf(int first, int second) const {
    return absl::StrCat("postgresql://postgres@127.0.0.1:", first, ",127.0.0.1:", second,
                        "/db?target_session_attrs=read-write&sslmode=disable&gssencmode=disable");
  }

  // Two trackerds under load, over the primary and then over the standby that `fail` has promoted:
  // nothing is lost, and no caller hears of anything but UNAVAILABLE.
  template <typename Fail>
  void FailOverUnderLoad(const char* name, const Fail& fail) {
    const std::string url = UrlOf(primary_->port(), standby_->port());
    testing::TrackerdProcess& server = world_.Serve(url);
    testing::TrackerdProcess& other = world_.Serve(url);
    Load load(server.address(), {});
    AwaitMore(load, 1000);
    Gap gap(load);
    fail();
    AwaitMore(load, 1000);
    std::printf("%s: service was away for %s\n", name, absl::FormatDuration(gap.Take()).c_str());
    load.Stop();
    EXPECT_TRUE(server.running());
    EXPECT_TRUE(other.running());
    EXPECT_EQ(load.surprises(), (std::map<std::string, int>{}));
    EXPECT_EQ(load.disconnects(), (std::map<std::string, int>{}));
    for (const auto& [id, entry] : load.ledger()) EXPECT_FALSE(entry.abandoned) << id;
    // As the other one sees it, which had nothing to write meanwhile: it notices when it looks
    // after the database's health.
    auto marker = For<v1::CreateRequest>("marker");
    marker.set_namespace_("failed-over");
    ASSERT_TRUE(Api(server.address()).Call(marker).ok());
    auto seen = For<v1::GetRequest>("marker");
    seen.set_namespace_("failed-over");
    Api api(other.address());
    EXPECT_TRUE(Await([&] { return api.Call(seen).ok(); }, kPatience));
    EXPECT_TRUE(Await([&] { return api.Serving(); }, kPatience));
    ExpectLedgerHolds(api, load.ledger());
  }

  static void AwaitMore(const Load& load, int64_t answers) {
    const int64_t before = load.acknowledged();
    ASSERT_TRUE(Await([&] { return load.acknowledged() >= before + answers; }, kPatience));
  }

  World world_;
  std::unique_ptr<testing::PostgresCluster> primary_, standby_;
};

TEST_F(Failover, NothingIsLostWhenThePrimaryIsKilled) {
  FailOverUnderLoad("primary killed", [&] {
    ASSERT_TRUE(primary_->KillAtOnce().ok());
    ASSERT_TRUE(standby_->Promote().ok());
  });
}

// Its connections stay open, and its kernel still accepts new ones.
TEST_F(Failover, NothingIsLostWhenThePrimaryStandsStill) {
  FailOverUnderLoad("primary frozen", [&] {
    ASSERT_TRUE(primary_->Freeze().ok());
    ASSERT_TRUE(standby_->Promote().ok());
  });
}

// As an operator hands over: sessions that are open stay, and are told 25006 (read only).
TEST_F(Failover, NothingIsLostWhenThePrimaryBecomesReadOnly) {
  FailOverUnderLoad("primary read-only", [&] {
    ASSERT_TRUE(primary_->Alter("default_transaction_read_only", "on").ok());
    ASSERT_TRUE(standby_->Promote().ok());
  });
}

TEST_F(Failover, NothingIsLostWhenThePrimaryIsStopped) {
  FailOverUnderLoad("primary stopped", [&] {
    ASSERT_TRUE(primary_->Stop().ok());
    ASSERT_TRUE(standby_->Promote().ok());
  });
}

// Nobody has fenced it, and it is the first that new connections find.
TEST_F(Failover, AnOldPrimaryThatComesBackIsNotUsedAnyMore) {
  testing::TrackerdProcess& server = world_.Serve(UrlOf(primary_->port(), standby_->port()));
  Api api(server.address());
  ASSERT_TRUE(api.Call(For<v1::CreateRequest>("before")).ok());
  ASSERT_TRUE(primary_->Freeze().ok());
  ASSERT_TRUE(standby_->Promote().ok());
  ASSERT_TRUE(Await([&] { return api.Call(For<v1::CreateRequest>("after")).ok(); }, kPatience));
  ASSERT_TRUE(Await([&] { return api.Serving(); }, kPatience));
  primary_->Thaw();
  for (int round = 0; round < 50; ++round) {
    const auto reply = api.Call(For<v1::GetRequest>("after"));
    ASSERT_TRUE(reply.ok() || reply.Verdict() == "STORE_UNAVAILABLE") << reply.Verdict();
  }
  {
    pqxx::connection connection(standby_->Url("db"));
    pqxx::nontransaction(connection)
        .exec(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'trackerd'");
  }
  for (int round = 0; round < 50; ++round) {
    const auto reply = api.Call(For<v1::GetRequest>("after"));
    ASSERT_TRUE(reply.ok()) << reply.Verdict();
  }
  EXPECT_NE(server.Log().find("database_superseded"), std::string::npos);
}

// The new primary has had the same transactions by the same numbers, but its own come next: it is
// not asked what became of the old one's.
TEST_F(Failover, ACommitInDoubtIsUnavailableAndNotTheNewPrimarysToJudge) {
  auto proxy = testing::FaultProxy::Start(primary_->port());
  ASSERT_TRUE(proxy.ok()) << proxy.status();
  testing::TrackerdProcess& server = world_.Serve(UrlOf((*proxy)->port(), standby_->port()));
  Api api(server.address());
  ASSERT_TRUE(api.Call(For<v1::CreateRequest>("in-doubt")).ok());
  (*proxy)->CutAfterRequest(1, {"COMMIT", "in-doubt"}, [&] {
    EXPECT_TRUE(primary_->KillAtOnce().ok());
    EXPECT_TRUE(standby_->Promote().ok());
  });
  const v1::StartRequest start = StartOf("in-doubt", NewLockToken());
  const auto reply = api.Call(start);
  EXPECT_EQ(reply.code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(reply.Verdict(), "STORE_UNAVAILABLE");
  EXPECT_EQ((*proxy)->counts().lost_answers, 1);
  const auto again = api.Call(start);
  ASSERT_TRUE(again.ok()) << again.Verdict() << server.Log();
  EXPECT_EQ(again.body.task().attempts(), 1);
  EXPECT_EQ(again.body.task().fence(), 1);
}

}  // namespace
}  // namespace tracker::e2e
