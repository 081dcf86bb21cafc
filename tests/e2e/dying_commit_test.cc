// trackerd is killed at each moment of a SQLite commit: a Batch is there wholly or not at all.
#include <gtest/gtest.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "src/base/token.h"
#include "tests/e2e/api.h"
#include "tests/e2e/world.h"

namespace tracker::e2e {
namespace {

constexpr int kBatchTasks = 8;
// Before and after a dozen writes.
constexpr int kFewestMoments = 24;
// Far more than any commit of so few tasks has.
constexpr int kMostMoments = 1000;
// Commits differ by a page or two: when one has survived its moment, the last ones are tried again.
constexpr int kSurvivals = 5;
constexpr int kStepBack = 6;

class DyingCommit : public ::testing::Test {
 protected:
  DyingCommit() : death_file_(world_.folder() + "/death") { DieAt(0); }

  // At the n-th moment from now; 0: never.
  void DieAt(int64_t moment) const {
    std::fstream file(death_file_, std::ios::in | std::ios::out | std::ios::binary);
    if (!file) file.open(death_file_, std::ios::out | std::ios::binary);
    file.write(reinterpret_cast<const char*>(&moment), sizeof(moment));
  }

  // trackerd that dies at its moment, and does nothing in the background that would take it.
  testing::TrackerdProcess& Serve(const std::string& url) {
    const std::string script = world_.folder() + "/trackerd-dying";
    WriteFile(script, absl::StrCat("#!/bin/sh\nTRACKER_TEST_DEATH_FILE=", death_file_,
                                   " LD_PRELOAD=", ProgramPath("dying_commit.so"),
                                   " ASAN_OPTIONS=$ASAN_OPTIONS:verify_asan_link_order=0 exec ",
                                   ProgramPath("trackerd"), " \"$@\"\n"));
    chmod(script.c_str(), 0755);
    auto server = testing::TrackerdProcess::Start(script, url, {"--no-reaper", "--no-purge"});
    if (!server.ok()) throw std::runtime_error(server.status().ToString());
    server_ = *std::move(server);
    return *server_;
  }

  static std::string Check(const std::string& file) {
    sqlite3* database = nullptr;
    sqlite3_open(file.c_str(), &database);
    std::string answer;
    sqlite3_exec(
        database, "PRAGMA integrity_check",
        [](void* out, int, char** values, char**) {
          *static_cast<std::string*>(out) += values[0];
          return 0;
        },
        &answer, nullptr);
    sqlite3_close(database);
    return answer;
  }

  World world_;
  const std::string death_file_;
  std::unique_ptr<testing::TrackerdProcess> server_;
};

// One commit: new tasks, and the end of one that is held.
v1::BatchRequest BatchOf(int round, const std::string& lock) {
  v1::BatchRequest batch;
  for (int i = 0; i < kBatchTasks; ++i) {
    auto& create = *batch.add_operations()->mutable_create();
    create = For<v1::CreateRequest>(absl::StrCat("new-", round, "-", i));
    (*create.mutable_data()->mutable_fields())["text"].set_string_value(std::string(3000, 'x'));
  }
  *batch.add_operations()->mutable_succeed() =
      Held<v1::SucceedRequest>(absl::StrCat("held-", round), lock);
  return batch;
}

TEST_F(DyingCommit, IsThereWhollyOrNotAtAll) {
  const std::string url = world_.NewStore(Kind::kSqlite);
  testing::TrackerdProcess& server = Serve(url);
  // What it was told, by id.
  std::map<std::string, v1::Status> told;
  int died = 0, kept = 0, survivals = 0;
  for (int round = 1, moment = 1; survivals < kSurvivals; ++round, ++moment) {
    SCOPED_TRACE(moment);
    ASSERT_LT(moment, kMostMoments);
    Api api(server.address());
    const std::string held = absl::StrCat("held-", round), lock = NewLockToken();
    ASSERT_TRUE(api.Call(For<v1::CreateRequest>(held)).ok());
    ASSERT_TRUE(api.Call(StartOf(held, lock)).ok());
    told[held] = v1::STATUS_IN_PROGRESS;
    const v1::BatchRequest batch = BatchOf(round, lock);
    DieAt(moment);
    const auto reply = api.Call(batch);
    DieAt(0);
    const bool survived = reply.ok();
    if (survived) {
      ++survivals;
      moment -= kStepBack;
    } else {
      EXPECT_EQ(reply.code(), grpc::StatusCode::UNAVAILABLE);
      EXPECT_TRUE(server.StopBy(SIGKILL).ok());
      ASSERT_TRUE(server.StartAgain().ok()) << server.Log();
      ++died;
    }
    Api after(server.address());
    const auto tasks = after.ListAll(kJobs);
    int there = 0;
    for (int i = 0; i < kBatchTasks; ++i) {
      const std::string id = absl::StrCat("new-", round, "-", i);
      if (tasks.count(id) == 0) continue;
      ++there;
      told[id] = v1::STATUS_PENDING;
    }
    const auto end = tasks.find(held);
    ASSERT_NE(end, tasks.end());
    const bool succeeded = end->second.status() == v1::STATUS_SUCCEEDED;
    EXPECT_EQ(there, succeeded ? kBatchTasks : 0) << "half a batch";
    EXPECT_TRUE(succeeded || !survived) << "an acknowledged batch is lost";
    kept += succeeded && !survived;
    if (succeeded) told[held] = v1::STATUS_SUCCEEDED;
    EXPECT_EQ(tasks.size(), told.size());
    std::map<v1::Status, int64_t> recount;
    for (const auto& [id, status] : told) {
      const auto task = tasks.find(id);
      ASSERT_NE(task, tasks.end()) << id << " is lost";
      EXPECT_EQ(task->second.status(), status) << id;
      ++recount[status];
    }
    EXPECT_EQ(after.Count(kJobs), recount);
    ASSERT_EQ(Check(url.substr(std::string("sqlite:").size())), "ok");
    if (HasFailure()) break;
  }
  std::printf("killed at %d moments of a commit; at %d of them it was done\n", died, kept);
  EXPECT_GE(died, kFewestMoments);
  EXPECT_GE(kept, 1) << "the moment after the last write";
}

}  // namespace
}  // namespace tracker::e2e
