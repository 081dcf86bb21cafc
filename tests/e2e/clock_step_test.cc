// The wall clock is set back by an hour while claims wait and leases run: whatever is a duration
// goes on. The database has a clock of its own here, as it has on another machine.
#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <fstream>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "src/base/token.h"
#include "tests/e2e/api.h"
#include "tests/e2e/world.h"

namespace tracker::e2e {
namespace {

constexpr int64_t kHour = 3600;
// Far beyond what any of it takes, and far below the hour.
constexpr absl::Duration kSoon = absl::Seconds(20);

class ClockStep : public ::testing::Test {
 protected:
  ClockStep() : clock_file_(world_.folder() + "/clock") { Set(kHour); }

  // What is added to the wall clock of trackerd.
  void Set(int64_t seconds) {
    std::fstream file(clock_file_, std::ios::in | std::ios::out | std::ios::binary);
    if (!file) file.open(clock_file_, std::ios::out | std::ios::binary);
    file.write(reinterpret_cast<const char*>(&seconds), sizeof(seconds));
  }

  // trackerd under that clock.
  std::string Program() {
    const std::string script = world_.folder() + "/trackerd-stepped";
    WriteFile(script, absl::StrCat("#!/bin/sh\nTRACKER_TEST_CLOCK_FILE=", clock_file_,
                                   " LD_PRELOAD=", ProgramPath("stepped_wall_clock.so"),
                                   " ASAN_OPTIONS=$ASAN_OPTIONS:verify_asan_link_order=0 exec ",
                                   ProgramPath("trackerd"), " \"$@\"\n"));
    chmod(script.c_str(), 0755);
    return script;
  }

  World world_;
  const std::string clock_file_;
};

v1::ClaimRequest ClaimOf(const std::string& name_space, absl::Duration wait) {
  v1::ClaimRequest request;
  request.set_namespace_(name_space);
  request.set_lock(NewLockToken());
  SetDuration(wait, request.mutable_wait());
  return request;
}

// It resets some tasks, two a second.
int MessagesOfASlowJob(const std::string& address) {
  const auto stub =
      v1::TrackerService::NewStub(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  v1::BulkUpdateRequest request;
  request.set_namespace_(kJobs);
  request.set_action(v1::BULK_ACTION_RESET);
  request.set_id_prefix("p");
  request.set_max_per_second(2);
  const auto reader = stub->BulkUpdate(&context, request);
  int messages = 0;
  for (v1::BulkUpdateResponse response; reader->Read(&response);) ++messages;
  EXPECT_TRUE(reader->Finish().ok());
  return messages;
}

TEST_F(ClockStep, NothingWaitsForTheHourToCome) {
  auto started = testing::TrackerdProcess::Start(Program(), world_.NewStore(Kind::kPostgres));
  ASSERT_TRUE(started.ok()) << started.status();
  testing::TrackerdProcess& server = **started;
  Api api(server.address());
  ASSERT_TRUE(api.Call(For<v1::CreateRequest>("a")).ok());
  ASSERT_TRUE(api.Call(StartOf("a", NewLockToken(), absl::Seconds(2))).ok());

  // It waits as the clock is set; and is over by its own time.
  const absl::Time begin = absl::Now();
  Api waiting(server.address());
  std::thread waiter([&] {
    const auto none = waiting.Call(ClaimOf("nothing", absl::Seconds(2)));
    EXPECT_EQ(none.Verdict(), "OK");
    EXPECT_EQ(none.body.tasks_size(), 0);
  });
  absl::SleepFor(absl::Milliseconds(500));
  Set(0);
  waiter.join();
  EXPECT_LT(absl::Now() - begin, kSoon);

  // The reaper goes on, and wakes who waits for what it has made claimable.
  const auto claimed = api.Call(ClaimOf(kJobs, kSoon));
  ASSERT_EQ(claimed.Verdict(), "OK");
  ASSERT_EQ(claimed.body.tasks_size(), 1);
  EXPECT_EQ(claimed.body.tasks(0).fence(), 2);
  // Later waits too, forwards and back.
  for (const int64_t offset : {2 * kHour, int64_t{0}}) {
    Set(offset);
    const absl::Time again = absl::Now();
    EXPECT_EQ(api.Call(ClaimOf("nothing", absl::Seconds(1))).Verdict(), "OK");
    EXPECT_LT(absl::Now() - again, kSoon);
  }
  // A job that takes two seconds tells how far it is meanwhile.
  for (const char* id : {"p1", "p2", "p3", "p4"}) {
    ASSERT_TRUE(api.Call(For<v1::CreateRequest>(id)).ok());
  }
  EXPECT_GE(MessagesOfASlowJob(server.address()), 3);
  EXPECT_TRUE(api.Serving());
  EXPECT_TRUE(server.StopBy(SIGTERM, kSoon).ok());
}

}  // namespace
}  // namespace tracker::e2e
