// More callers than can be served, and callers that hang up. How much is served meanwhile is a
// matter of the machine, and measured by `trackerbench overload`; here is what holds on any.
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/chaos/memory_bounds.h"
#include "tests/chaos/raw_http2.h"
#include "tests/chaos/swarm_of_callers.h"
#include "tests/e2e/api.h"
#include "tests/e2e/world.h"

namespace tracker::e2e {
namespace {

// Several times what both lanes take with the shortest queue that the flag allows, 1000.
constexpr int kCallers = 5000;
constexpr absl::Duration kLongest = absl::Seconds(30);

class Overload : public StoreTest {
 protected:
  void ExpectNothingLost(const Told& told) {
    const std::map<std::string, v1::Task> tasks = api_.ListAll(kJobs);
    const auto status_of = [&tasks](const std::string& id) {
      const auto task = tasks.find(id);
      return task == tasks.end() ? v1::STATUS_UNSPECIFIED : task->second.status();
    };
    for (const std::string& id : told.finished) EXPECT_EQ(status_of(id), v1::STATUS_SUCCEEDED);
    for (const std::string& id : told.begun) {
      // That it was finished may have been told too late.
      EXPECT_TRUE(status_of(id) == v1::STATUS_IN_PROGRESS || status_of(id) == v1::STATUS_SUCCEEDED)
          << id << " is " << v1::Status_Name(status_of(id));
    }
  }

  // As any caller sees it: who is OVERLOADED comes again, once, when it was told to. The server may
  // not have heard yet that the others have hung up.
  void ExpectServesAtOnce(const std::string& id) {
    auto reply = api_.Call(For<v1::CreateRequest>(id));
    if (reply.Verdict() == "OVERLOADED") {
      api_.Pause(reply.refusal().retry_after.value_or(absl::ZeroDuration()));
      reply = api_.Call(For<v1::CreateRequest>(id));
    }
    EXPECT_EQ(reply.Verdict(), "OK");
    EXPECT_TRUE(api_.Serving());
  }

  const std::string store_ = world_.NewStore(GetParam());
  testing::TrackerdProcess& server_ = world_.Serve(store_, {"--queue=1000"});
  Api api_{server_.address()};
};

TEST_P(Overload, CallersAreServedOrToldWhenToComeAgain) {
  // Patient enough to be queued and turned away, and not too late, on a busy machine, too.
  SwarmOfCallers swarm(server_.address(), {.callers = kCallers, .deadline = kLongest / 3});
  {
    // A store that stands still for a moment fills the queues, however fast the machine is.
    const auto lock = world_.LockStore(store_);
    swarm.RunUntilOverloaded(1000, kLongest);
  }
  swarm.RunUntilFinished(1000, absl::Minutes(2));
  swarm.Finish();
  ExpectServesAtOnce("afterwards");
  const Told& told = swarm.told();
  EXPECT_TRUE(told.surprises.empty()) << ::testing::PrintToString(told.surprises);
  EXPECT_GE(told.overloaded, 1000);
  EXPECT_GE(told.finished.size(), 1000u);
  ExpectNothingLost(told);
  ExpectMemoryWithin(server_);
  std::printf("%lld answered, %lld OVERLOADED, %lld too late, %zu tasks finished\n",
              static_cast<long long>(told.answered), static_cast<long long>(told.overloaded),
              static_cast<long long>(told.too_late), told.finished.size());
}

TEST_P(Overload, CallersThatHangUpLeaveNothingBehind) {
  for (int round = 0; round < 3; ++round) {
    SwarmOfCallers swarm(
        server_.address(),
        {.callers = kCallers, .deadline = kLongest, .prefix = absl::StrCat("r", round, "-")});
    {
      // So that all are in mid-call when they hang up.
      const auto lock = world_.LockStore(store_);
      // A lane's queue is full then.
      swarm.RunUntilOverloaded(1, kLongest);
      swarm.HangUp();
    }
    EXPECT_GE(swarm.told().cancelled, 1000);
    EXPECT_TRUE(swarm.told().surprises.empty()) << ::testing::PrintToString(swarm.told().surprises);
    ExpectServesAtOnce(absl::StrCat("after round ", round));
    ExpectNothingLost(swarm.told());
  }
  ExpectMemoryWithin(server_);
}

TEST_P(Overload, ConnectionsThatCloseInMidCallLeaveNothingBehind) {
  const int before = testing::OpenFilesOf(server_.pid());
  for (int round = 0; round < 10; ++round) {
    std::vector<RawHttp2> connections;
    for (int c = 0; c < 100; ++c) {
      connections.emplace_back(server_.address());
      for (int call = 0; call < 20; ++call) {
        v1::StartRequest start =
            StartOf(absl::StrCat("closed-", round, "-", c, "-", call), std::string(32, 'c'));
        start.set_create_if_missing(true);
        connections.back().Call("Start", start.SerializeAsString());
      }
    }
  }
  EXPECT_TRUE(Await([&] {
    return api_.Call(For<v1::CreateRequest>(absl::StrCat(absl::ToUnixNanos(absl::Now())))).ok();
  }));
  EXPECT_TRUE(Await([&] { return testing::OpenFilesOf(server_.pid()) < before + 50; }))
      << testing::OpenFilesOf(server_.pid()) << " files are open, before " << before;
  ExpectMemoryWithin(server_);
}

INSTANTIATE_TEST_SUITE_P(Stores, Overload, BothKinds(), KindName);

}  // namespace
}  // namespace tracker::e2e
