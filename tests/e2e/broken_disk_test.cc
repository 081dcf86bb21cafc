// The disk is full, or trackerd dies in the middle of a commit.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <pqxx/pqxx>
#include <string>

#include "absl/strings/str_cat.h"
#include "src/base/token.h"
#include "tests/e2e/api.h"
#include "tests/e2e/load.h"
#include "tests/e2e/world.h"
#include "tests/support/small_disk.h"

namespace tracker::e2e {
namespace {

// As many steps as the largest commit here has, and some that it does not come to.
constexpr int kSteps = 24;
constexpr int kTasks = 5;

class CommitDeath : public ::testing::Test {
 protected:
  // What counts down to trackerd's death (tests/support/dying_commit.cc); 0: never.
  void Arm(int64_t steps) {
    const int file = open(countdown_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    ASSERT_EQ(pwrite(file, &steps, sizeof(steps), 0), static_cast<ssize_t>(sizeof(steps)));
    close(file);
  }
  std::string Program() {
    const std::string script = world_.folder() + "/trackerd-dying";
    WriteFile(script, absl::StrCat("#!/bin/sh\nTRACKER_TEST_DYING_COMMIT=", countdown_,
                                   " LD_PRELOAD=", ProgramPath("dying_commit.so"),
                                   " ASAN_OPTIONS=$ASAN_OPTIONS:verify_asan_link_order=0 exec ",
                                   ProgramPath("trackerd"), " \"$@\"\n"));
    chmod(script.c_str(), 0755);
    return script;
  }
  static std::string IntegrityOf(const std::string& file) {
    sqlite3* database = nullptr;
    std::string answer = "cannot be opened";
    sqlite3_open(file.c_str(), &database);
    sqlite3_exec(
        database, "PRAGMA integrity_check",
        [](void* out, int, char** values, char**) {
          *static_cast<std::string*>(out) = values[0];
          return 0;
        },
        &answer, nullptr);
    sqlite3_close(database);
    return answer;
  }

  World world_;
  const std::string countdown_ = world_.folder() + "/countdown";
};

TEST_F(CommitDeath, AnSqliteCommitIsThereAsAWholeOrNotAtAll) {
  Arm(0);
  const std::string url = world_.NewStore(Kind::kSqlite);
  auto started = testing::TrackerdProcess::Start(Program(), url, {"--no-reaper", "--no-purge"});
  ASSERT_TRUE(started.ok()) << started.status();
  testing::TrackerdProcess& server = **started;
  int died = 0, kept = 0;
  for (int steps = 1; steps <= kSteps; ++steps) {
    SCOPED_TRACE(steps);
    v1::BatchRequest batch;
    for (int task = 0; task < kTasks; ++task) {
      *batch.add_operations()->mutable_create() =
          For<v1::CreateRequest>(absl::StrCat("step-", steps, "-", task));
    }
    Arm(steps);
    const bool acknowledged = Api(server.address()).Call(batch).ok();
    Arm(0);
    died += !acknowledged;
    ASSERT_TRUE(server.StopBy(SIGKILL).ok());
    ASSERT_TRUE(server.StartAgain().ok()) << server.Log();
    Api api(server.address());
    int there = 0;
    for (const v1::Operation& operation : batch.operations()) {
      there += api.Call(For<v1::GetRequest>(operation.create().id())).ok();
    }
    EXPECT_TRUE(there == 0 || there == kTasks) << there << " of one commit's tasks";
    if (acknowledged) {
      EXPECT_EQ(there, kTasks) << "an acknowledged commit is lost";
    }
    kept += there == kTasks;
  }
  EXPECT_GE(died, 4) << "it is not killed in its commits";
  EXPECT_GT(kept, kSteps - died) << "it was never killed after the commit, and before the answer";
  ASSERT_TRUE(server.StopBy(SIGTERM).ok());
  EXPECT_EQ(IntegrityOf(url.substr(std::string("sqlite:").size())), "ok");
}

class FullDisk : public ::testing::Test {
 protected:
  void SetUp() override {
    auto disk = testing::SmallDisk::Mount(200);
    if (!disk.ok()) GTEST_SKIP() << disk.status().message();
    disk_ = *std::move(disk);
  }
  // While the disk is full nothing is acknowledged that needs room; afterwards all goes on.
  void FillUnder(Api& api, Load& load) {
    const auto await_more = [&] {
      const int64_t before = load.acknowledged();
      EXPECT_TRUE(Await([&] { return load.acknowledged() >= before + 300; }));
    };
    await_more();
    ASSERT_TRUE(disk_->Fill().ok());
    const int64_t before = load.unavailable();
    EXPECT_TRUE(Await([&] { return load.unavailable() > before + 50; }));
    ASSERT_TRUE(disk_->Free().ok());
    EXPECT_TRUE(Await([&] { return api.Serving(); }));
    await_more();
    load.Stop();
    EXPECT_EQ(load.surprises(), (std::map<std::string, int>{}));
    ExpectLedgerHolds(api, load.ledger());
  }

  // Goes after the rest.
  std::unique_ptr<testing::SmallDisk> disk_;
  World world_;
};

TEST_F(FullDisk, OfAnSqliteFileIsUnavailableUntilThereIsRoom) {
  const std::string address =
      world_.Serve(absl::StrCat("sqlite:", disk_->path(), "/tracker.db")).address();
  Api api(address);
  Load load(address, {});
  FillUnder(api, load);
}

TEST_F(FullDisk, OfAPostgresIsUnavailableUntilThereIsRoom) {
  // It may end, as it cannot write its log; whoever runs it starts it again.
  auto postgres = testing::PostgresCluster::Start(
      {.parent_folder = disk_->path(), .settings = {"max_wal_size=64MB", "min_wal_size=32MB"}});
  ASSERT_TRUE(postgres.ok()) << postgres.status();
  ASSERT_TRUE((*postgres)->CreateDatabase("full").ok());
  const std::string address = world_.Serve((*postgres)->Url("full")).address();
  Api api(address);
  Load load(address, {});
  const int64_t before = load.acknowledged();
  EXPECT_TRUE(Await([&] { return load.acknowledged() >= before + 300; }));
  ASSERT_TRUE(disk_->Fill().ok());
  const int64_t refused = load.unavailable();
  EXPECT_TRUE(Await([&] { return load.unavailable() > refused + 50; }));
  ASSERT_TRUE(disk_->Free().ok());
  EXPECT_TRUE(Await(
      [&] {
        try {
          pqxx::connection connection((*postgres)->Url("full"));
          return true;
        } catch (const pqxx::broken_connection&) {
          return (*postgres)->Crash().ok() && (*postgres)->StartAgain().ok();
        }
      },
      absl::Seconds(60)))
      << (*postgres)->LogTail();
  EXPECT_TRUE(Await([&] { return api.Serving(); }));
  load.Stop();
  EXPECT_EQ(load.surprises(), (std::map<std::string, int>{}));
  ExpectLedgerHolds(api, load.ledger());
}

}  // namespace
}  // namespace tracker::e2e
