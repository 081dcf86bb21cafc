#include "src/service/lane.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "src/base/token.h"
#include "tests/service/fake_store.h"

namespace tracker::service {
namespace {

using domain::Reason;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

domain::Command Create(const std::string& id) {
  return {.key = {"lane", id}, .token = NewLockToken(), .action = domain::Create{}};
}

// A call whose outcomes a test waits for.
struct Caller {
  explicit Caller(std::vector<domain::Command> commands, CallContext context = {}) {
    call = std::make_shared<WriteCall>(commands.size(), std::move(context),
                                       [this](std::vector<domain::Outcome> outcomes) {
                                         for (const auto& outcome : outcomes) {
                                           reasons.push_back(outcome.reason);
                                         }
                                         done.Notify();
                                       });
    for (size_t i = 0; i < commands.size(); ++i) entries.push_back({commands[i], call, i});
  }
  std::vector<Reason> Await() {
    done.WaitForNotification();
    return reasons;
  }

  std::shared_ptr<WriteCall> call;
  std::vector<Lane::Entry> entries;
  std::vector<Reason> reasons;
  absl::Notification done;
};

class LaneTest : public ::testing::Test {
 protected:
  // Holds the lane in a commit of a task of its own, so that what follows queues.
  void Block(Lane& lane) {
    control_->Hold(true);
    blocker_ = std::make_unique<Caller>(std::vector{Create("blocker")});
    lane.Enqueue(blocker_->entries);
    control_->AwaitHeld();
  }
  void Unblock() { control_->Hold(false); }

  std::shared_ptr<testing::FakeStore::Control> control_ =
      std::make_shared<testing::FakeStore::Control>();
  testing::FakeStore store_{control_};
  std::unique_ptr<Caller> blocker_;
};

TEST_F(LaneTest, WhatQueuedDuringACommitIsCommittedAtOnceAndInOrder) {
  Lane lane(&store_, {});
  Block(lane);
  Caller a({Create("a")}), b({Create("b"), Create("c")}), d({Create("d")});
  for (Caller* caller : {&a, &b, &d}) lane.Enqueue(caller->entries);
  Unblock();
  EXPECT_THAT(a.Await(), ElementsAre(Reason::kOk));
  EXPECT_THAT(b.Await(), ElementsAre(Reason::kOk, Reason::kOk));
  EXPECT_THAT(d.Await(), ElementsAre(Reason::kOk));
  EXPECT_THAT(control_->Batches(),
              ElementsAre(ElementsAre("blocker"), ElementsAre("a", "b", "c", "d")));
}

TEST_F(LaneTest, ACommitHasAtMostTheBatchLimits) {
  Lane lane(&store_, {.batch_commands = 2});
  Block(lane);
  Caller caller({Create("a"), Create("b"), Create("c")});
  lane.Enqueue(caller.entries);
  Unblock();
  caller.Await();
  EXPECT_THAT(control_->Batches(),
              ElementsAre(ElementsAre("blocker"), ElementsAre("a", "b"), ElementsAre("c")));
}

TEST_F(LaneTest, ACommitHasAtMostTheByteLimitButAlwaysOneCommand) {
  Lane lane(&store_, {.batch_bytes = 1});
  Block(lane);
  Caller caller({Create("a"), Create("b")});
  lane.Enqueue(caller.entries);
  Unblock();
  caller.Await();
  EXPECT_THAT(control_->Batches(),
              ElementsAre(ElementsAre("blocker"), ElementsAre("a"), ElementsAre("b")));
}

TEST_F(LaneTest, AFullQueueTurnsAWholeCallAway) {
  Lane lane(&store_, {.queue_commands = 2});
  Block(lane);
  Caller fits({Create("a")}), too_many({Create("b"), Create("c")}), still_fits({Create("d")});
  lane.Enqueue(fits.entries);
  lane.Enqueue(too_many.entries);
  EXPECT_THAT(too_many.Await(), ElementsAre(Reason::kOverloaded, Reason::kOverloaded));
  lane.Enqueue(still_fits.entries);
  Unblock();
  EXPECT_THAT(fits.Await(), ElementsAre(Reason::kOk));
  EXPECT_THAT(still_fits.Await(), ElementsAre(Reason::kOk));
}

TEST_F(LaneTest, WhatNobodyWaitsForMakesRoomInAFullQueue) {
  absl::Time now = absl::FromUnixSeconds(100);
  Lane lane(&store_, {.queue_commands = 3, .now = [&now] { return now; }});
  Block(lane);
  auto cancelled = std::make_shared<std::atomic<bool>>(false);
  Caller gone({Create("gone")}, {.cancelled = cancelled});
  Caller late({Create("late")}, {.deadline = absl::FromUnixSeconds(110)});
  Caller stays({Create("stays")}), turned_away({Create("turned-away")}), comes({Create("comes")});
  for (Caller* caller : {&gone, &stays, &late, &turned_away}) lane.Enqueue(caller->entries);
  EXPECT_THAT(turned_away.Await(), ElementsAre(Reason::kOverloaded));
  *cancelled = true;
  now = absl::FromUnixSeconds(120);
  lane.Enqueue(comes.entries);
  // At once, though the lane is held.
  EXPECT_THAT(gone.Await(), ElementsAre(Reason::kCancelled));
  EXPECT_THAT(late.Await(), ElementsAre(Reason::kDeadlineExceeded));
  Unblock();
  EXPECT_THAT(comes.Await(), ElementsAre(Reason::kOk));
  lane.Stop();
  EXPECT_THAT(control_->Batches(),
              ElementsAre(ElementsAre("blocker"), ElementsAre("stays", "comes")));
}

TEST_F(LaneTest, AQueueFullOfBytesTurnsACallAway) {
  Lane lane(&store_, {.queue_bytes = 10000});
  Block(lane);
  domain::Command large = Create("large");
  large.action = domain::Create{.data = std::string(20000, ' ')};
  Caller caller({large});
  lane.Enqueue(caller.entries);
  EXPECT_THAT(caller.Await(), ElementsAre(Reason::kOverloaded));
  Unblock();
}

TEST_F(LaneTest, ACallPastItsDeadlineIsDroppedBeforeItCostsAnything) {
  absl::Time now = absl::FromUnixSeconds(100);
  Lane lane(&store_, {.now = [&now] { return now; }});
  Block(lane);
  Caller late({Create("late")}, {.deadline = absl::FromUnixSeconds(110)});
  Caller timely({Create("timely")}, {.deadline = absl::FromUnixSeconds(130)});
  lane.Enqueue(late.entries);
  lane.Enqueue(timely.entries);
  now = absl::FromUnixSeconds(120);
  Unblock();
  EXPECT_THAT(late.Await(), ElementsAre(Reason::kDeadlineExceeded));
  EXPECT_THAT(timely.Await(), ElementsAre(Reason::kOk));
  EXPECT_THAT(control_->Batches(), ElementsAre(ElementsAre("blocker"), ElementsAre("timely")));
}

TEST_F(LaneTest, ACancelledCallIsDropped) {
  Lane lane(&store_, {});
  Block(lane);
  auto cancelled = std::make_shared<std::atomic<bool>>(false);
  Caller caller({Create("a")}, {.cancelled = cancelled});
  lane.Enqueue(caller.entries);
  *cancelled = true;
  Unblock();
  EXPECT_THAT(caller.Await(), ElementsAre(Reason::kCancelled));
  lane.Stop();
  EXPECT_THAT(control_->Batches(), SizeIs(1));
}

TEST_F(LaneTest, WhatIsAskedOfAHeldRowWaitsApartAndInItsOrder) {
  {
    absl::MutexLock lock(&control_->mutex);
    control_->held.insert({"lane", "held"});
  }
  Lane lane(&store_, {.held_patience = absl::InfiniteDuration()});
  const std::string token = NewLockToken();
  const auto on_held = [&](domain::Action action) {
    return domain::Command{.key = {"lane", "held"}, .token = token, .action = std::move(action)};
  };
  Caller first({on_held(domain::Start{.create_if_missing = true})});
  lane.Enqueue(first.entries);
  Caller other({Create("free")});
  lane.Enqueue(other.entries);
  EXPECT_THAT(other.Await(), ElementsAre(Reason::kOk)) << "it does not wait for the row";
  Caller second({on_held(domain::Succeed{}), Create("free-too")});
  lane.Enqueue(second.entries);
  EXPECT_FALSE(first.done.HasBeenNotified());
  {
    absl::MutexLock lock(&control_->mutex);
    control_->held.clear();
  }
  EXPECT_THAT(first.Await(), ElementsAre(Reason::kOk));
  EXPECT_THAT(second.Await(), ElementsAre(Reason::kOk, Reason::kOk)) << "it came after the start";
}

TEST_F(LaneTest, ARowThatStaysHeldIsUnavailableAndStopWaitsForThat) {
  {
    absl::MutexLock lock(&control_->mutex);
    control_->held.insert({"lane", "held"});
  }
  Lane lane(&store_, {.held_patience = absl::Milliseconds(20)});
  Caller first({Create("held")}), second({Create("held")});
  lane.Enqueue(first.entries);
  EXPECT_THAT(first.Await(), ElementsAre(Reason::kStoreUnavailable));
  lane.Enqueue(second.entries);
  lane.Stop();
  EXPECT_THAT(second.Await(), ElementsAre(Reason::kStoreUnavailable));
}

TEST_F(LaneTest, StopFinishesWhatIsQueuedAndTakesNoMore) {
  Lane lane(&store_, {});
  Block(lane);
  Caller queued({Create("a")}), after({Create("b")});
  lane.Enqueue(queued.entries);
  Unblock();
  lane.Stop();
  EXPECT_THAT(queued.Await(), ElementsAre(Reason::kOk));
  lane.Enqueue(after.entries);
  EXPECT_THAT(after.Await(), ElementsAre(Reason::kStoreUnavailable));
  lane.Stop();
}

TEST_F(LaneTest, AnUnreachableStoreIsTold) {
  std::atomic<int> told = 0;
  Lane lane(&store_, {.on_unavailable = [&told] { ++told; }});
  control_->Away(true);
  Caller caller({Create("a")});
  lane.Enqueue(caller.entries);
  EXPECT_THAT(caller.Await(), ElementsAre(Reason::kStoreUnavailable));
  lane.Stop();
  EXPECT_EQ(told, 1);
}

}  // namespace
}  // namespace tracker::service
