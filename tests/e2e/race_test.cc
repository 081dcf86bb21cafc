// Of any number of racers one gets the task.
#include <gtest/gtest.h>

#include <barrier>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "src/base/token.h"
#include "tests/e2e/api.h"
#include "tests/e2e/world.h"

namespace tracker::e2e {
namespace {

constexpr int kRacers = 64;
constexpr int kConnections = 8;
constexpr absl::Duration kLease = absl::Seconds(60);

struct Racer {
  std::string lock;
  Reply<v1::StartResponse> reply;
};

class Race : public StoreTest {
 protected:
  // One task a round; all racers ask for it at the same moment.
  void Run(const std::vector<std::string>& addresses, int rounds) {
    for (int i = 0; i < kConnections; ++i)
      connections_.push_back(std::make_unique<Api>(addresses[i % addresses.size()]));
    std::vector<Racer> racers(kRacers);
    std::barrier line(kRacers + 1);
    std::vector<std::thread> threads;
    for (int i = 0; i < kRacers; ++i) {
      threads.emplace_back([&, i] {
        Api& api = *connections_[i % kConnections];
        for (int round = 0; round < rounds; ++round) {
          v1::StartRequest start = StartOf(TaskOf(round), NewLockToken(), kLease);
          // Every other round the racers make the task, too.
          start.set_create_if_missing(round % 2 == 1);
          racers[i].lock = start.lock();
          line.arrive_and_wait();
          racers[i].reply = api.Call(start);
          line.arrive_and_wait();  // Done; the judge looks at it
          line.arrive_and_wait();  // and lets us go on.
        }
      });
    }
    for (int round = 0; round < rounds; ++round) {
      if (round % 2 == 0) {
        EXPECT_TRUE(connections_[0]->Call(For<v1::CreateRequest>(TaskOf(round))).ok());
      }
      line.arrive_and_wait();
      line.arrive_and_wait();
      Judge(round, racers);
      line.arrive_and_wait();
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(connections_[0]->Count(kJobs),
              (std::map<v1::Status, int64_t>{{v1::STATUS_IN_PROGRESS, rounds}}));
  }

  static std::string TaskOf(int round) { return absl::StrCat("race-", round); }

  void Judge(int round, const std::vector<Racer>& racers) {
    const Racer* winner = nullptr;
    for (const Racer& racer : racers) {
      if (!racer.reply.ok()) continue;
      EXPECT_EQ(winner, nullptr) << "round " << round << " has two winners";
      winner = &racer;
    }
    ASSERT_NE(winner, nullptr) << "round " << round
                               << " has no winner: " << racers[0].reply.Verdict();
    const v1::Task& won = winner->reply.body.task();
    EXPECT_EQ(won.lock(), winner->lock);
    EXPECT_EQ(won.status(), v1::STATUS_IN_PROGRESS);
    EXPECT_EQ(won.fence(), 1);
    EXPECT_EQ(won.attempts(), 1);
    for (const Racer& racer : racers) {
      if (&racer != winner) ExpectLocked(racer.reply, won);
    }
    // A repeat of the winner's request is the same start.
    const auto again = connections_[1]->Call(StartOf(won.id(), winner->lock, kLease));
    EXPECT_EQ(again.Verdict(), "OK");
    EXPECT_EQ(again.body.task().fence(), 1);
    EXPECT_EQ(again.body.task().attempts(), 1);
  }

  static void ExpectLocked(const Reply<v1::StartResponse>& reply, const v1::Task& won) {
    EXPECT_EQ(reply.code(), grpc::StatusCode::ABORTED);
    const Refusal refusal = reply.refusal();
    EXPECT_EQ(refusal.reason, "TASK_LOCKED") << reply.Verdict();
    EXPECT_EQ(refusal.domain, "tracker");
    EXPECT_EQ(refusal.metadata.count("lock_expire_time"), 1u);
    const auto worker = refusal.metadata.find("worker");
    EXPECT_TRUE(worker != refusal.metadata.end() && worker->second == won.worker());
    ASSERT_TRUE(refusal.retry_after);
    EXPECT_GT(*refusal.retry_after, absl::ZeroDuration());
    EXPECT_LE(*refusal.retry_after, kLease);
    ASSERT_TRUE(refusal.task);
    EXPECT_EQ(refusal.task->id(), won.id());
    EXPECT_EQ(refusal.task->worker(), won.worker());
    EXPECT_EQ(refusal.task->lock(), "");
    EXPECT_EQ(reply.status.error_details().find(won.lock()), std::string::npos)
        << "a refusal tells the holder's lock";
  }

  std::vector<std::unique_ptr<Api>> connections_;
};

TEST_P(Race, OneOfSixtyFourWinsTwoHundredTimes) {
  testing::TrackerdProcess& server = world_.Serve(world_.NewStore(GetParam()));
  Run({server.address()}, 200);
}

TEST_P(Race, OneOfSixtyFourWinsOverTwoServersOnOneStore) {
  const std::string url = world_.NewStore(GetParam());
  testing::TrackerdProcess& one = world_.Serve(url);
  testing::TrackerdProcess& other = world_.Serve(url);
  Run({one.address(), other.address()}, 40);
}

INSTANTIATE_TEST_SUITE_P(Stores, Race, BothKinds(), KindName);

}  // namespace
}  // namespace tracker::e2e
