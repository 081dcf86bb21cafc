#include "src/service/claim_desk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "src/base/token.h"
#include "tests/service/fake_store.h"

namespace tracker::service {
namespace {

using domain::Reason;
using domain::Status;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// A Claim whose answer a test may wait for.
struct Caller {
  // Outlives the test's interest in it.
  struct Answer {
    ClaimResult result;
    absl::Notification answered;
  };
  ClaimResult Await() {
    answered.WaitForNotification();
    return result;
  }
  std::vector<std::string> AwaitIds() {
    std::vector<std::string> ids;
    for (const domain::Task& task : Await().tasks) ids.push_back(task.key.id);
    return ids;
  }

  std::string token = NewLockToken();
  std::shared_ptr<std::atomic<bool>> cancelled = std::make_shared<std::atomic<bool>>(false);
  absl::Time deadline = absl::InfiniteFuture();
  std::shared_ptr<Answer> answer = std::make_shared<Answer>();
  ClaimResult& result = answer->result;
  absl::Notification& answered = answer->answered;
};

class ClaimDeskTest : public ::testing::Test {
 protected:
  // One thread, which takes steps before polls, and no clock of its own: all is done in order.
  ClaimDeskTest() { Open({.interval = absl::InfiniteDuration(), .threads = 1}); }

  void Open(ClaimDeskOptions options) {
    options.now = [this] { return absl::FromUnixSeconds(seconds_.load()); };
    options.give_back = [this](std::vector<domain::Task> tasks) {
      absl::MutexLock lock(&mutex_);
      for (const domain::Task& task : tasks) given_back_.push_back(task.key.id + " " + task.lock);
    };
    desk_ = std::make_unique<ClaimDesk>(&store_, &policies_, std::move(options));
  }
  void Claim(Caller& caller, int wait_seconds, ClaimRequest request = {}) {
    request.name_space = "ns";
    request.token = caller.token;
    request.wait = absl::Seconds(wait_seconds);
    desk_->Claim(std::move(request), {.deadline = caller.deadline, .cancelled = caller.cancelled},
                 [answer = caller.answer](ClaimResult result) {
                   answer->result = std::move(result);
                   answer->answered.Notify();
                 });
  }
  // As another server would: nothing here is told.
  void Write(const std::string& id, domain::Action action, const std::string& name_space = "ns",
             const std::string& token = NewLockToken()) {
    const domain::Command command{.key = {name_space, id}, .token = token, .action = action};
    const domain::Command* pointer = &command;
    ASSERT_TRUE(store_.Apply({&pointer, 1})[0].ok());
  }
  void Create(const std::string& id) { Write(id, domain::Create{}); }
  // Lets all that is due be done, and one poll with it.
  void TickAndPoll() {
    const size_t polls = control_->Polls();
    desk_->Tick();
    control_->AwaitPolls(polls + 1);
  }
  void Pass(int64_t seconds) { seconds_ += seconds; }
  std::vector<std::string> GivenBack() {
    absl::MutexLock lock(&mutex_);
    return given_back_;
  }

  std::atomic<int64_t> seconds_{1'000'000};
  std::shared_ptr<testing::FakeStore::Control> control_ =
      std::make_shared<testing::FakeStore::Control>();
  testing::FakeStore store_{control_};
  PolicyCache policies_{&store_, [this](const std::string& name_space) {
                          if (desk_) desk_->Wake(name_space);
                        }};
  absl::Mutex mutex_;
  std::vector<std::string> given_back_;
  std::unique_ptr<ClaimDesk> desk_;
};

TEST_F(ClaimDeskTest, WhatIsThereIsHandedOutAtOnceAndShowsItsPolicysAttempts) {
  ASSERT_TRUE(policies_.Set({.name_space = "ns", .max_attempts = 7}).ok());
  Create("a");
  Create("b");
  Caller caller;
  Claim(caller, 0, {.limit = 5, .worker = "me"});
  EXPECT_THAT(caller.AwaitIds(), ElementsAre("a", "b"));
  EXPECT_EQ(caller.result.tasks[0].lock, caller.token);
  EXPECT_EQ(caller.result.tasks[0].worker, "me");
  EXPECT_EQ(caller.result.tasks[0].max_attempts, 7);
}

TEST_F(ClaimDeskTest, AClaimThatWouldNotWaitIsToldThatThereIsNothing) {
  Caller caller;
  Claim(caller, 0);
  EXPECT_TRUE(caller.Await().refusal.ok());
  EXPECT_THAT(caller.result.tasks, IsEmpty());
  // Not even when a look has just found nothing for one that waits.
  Caller waits, other;
  Claim(waits, 60);
  control_->AwaitClaims(2);
  Create("a");
  Claim(other, 0);
  control_->AwaitClaims(3);
  EXPECT_THAT(waits.AwaitIds(), ElementsAre("a")) << "who came first is served first";
  EXPECT_THAT(other.AwaitIds(), IsEmpty());
}

TEST_F(ClaimDeskTest, ThoseWhoWaitAreServedTogetherAndInTheOrderOfTheirArrival) {
  control_->Hold(true);
  Caller first, second, third;
  Claim(first, 0);
  control_->AwaitClaims(1);
  Claim(second, 0);
  Claim(third, 0);
  control_->Hold(false);
  first.Await();
  second.Await();
  third.Await();
  ASSERT_THAT(control_->claims, SizeIs(2));
  ASSERT_THAT(control_->claims[1].orders, SizeIs(2));
  EXPECT_EQ(control_->claims[1].orders[0].token, second.token);
  EXPECT_EQ(control_->claims[1].orders[1].token, third.token);
}

TEST_F(ClaimDeskTest, OneStepServesNoMoreThanItMayAndTheRestComeNext) {
  for (int i = 0; i < 1500; ++i) Create(absl::StrCat(i));
  control_->Hold(true);
  Caller blocker;
  Claim(blocker, 0);
  control_->AwaitClaims(1);
  std::vector<Caller> callers(3);
  for (Caller& caller : callers) Claim(caller, 60, {.limit = 400});
  control_->Hold(false);
  for (Caller& caller : callers) EXPECT_THAT(caller.Await().tasks, SizeIs(400));
  ASSERT_THAT(control_->claims, SizeIs(3));
  EXPECT_THAT(control_->claims[1].orders, SizeIs(2));
  EXPECT_THAT(control_->claims[2].orders, SizeIs(1));
}

TEST_F(ClaimDeskTest, AWakeServesWhoeverWaits) {
  Caller caller;
  Claim(caller, 60);
  control_->AwaitClaims(1);
  Create("a");
  desk_->Wake("another");
  desk_->Wake("ns");
  EXPECT_THAT(caller.AwaitIds(), ElementsAre("a"));
}

TEST_F(ClaimDeskTest, AWakeDuringAStepIsNotLost) {
  control_->Hold(true);
  Caller caller;
  Claim(caller, 60);
  control_->AwaitClaims(1);
  desk_->Wake("ns");
  control_->Hold(false);
  control_->AwaitClaims(2);
  desk_->Stop();
}

TEST_F(ClaimDeskTest, HoweverManyWaitThereIsOnePollAndNothingElse) {
  std::vector<Caller> callers(500);
  Claim(callers[0], 60);
  control_->AwaitClaims(1);
  TickAndPoll();
  for (size_t i = 1; i < callers.size(); ++i) Claim(callers[i], 60);
  TickAndPoll();
  TickAndPoll();
  EXPECT_EQ(control_->Claims(), 1);
  EXPECT_THAT(control_->polls.back(), ElementsAre("ns"));
  desk_->Stop();
}

TEST_F(ClaimDeskTest, APollFindsWhatAnotherServerHasMadeAvailable) {
  Caller caller;
  Claim(caller, 60);
  control_->AwaitClaims(1);
  Create("a");
  desk_->Tick();
  EXPECT_THAT(caller.AwaitIds(), ElementsAre("a"));
}

TEST_F(ClaimDeskTest, NobodyIsPolledForWhenNobodyWaits) {
  Caller caller;
  Claim(caller, 0);
  caller.Await();
  desk_->Tick();
  desk_->Wake("ns");
  desk_->Stop();
  EXPECT_EQ(control_->Polls(), 0);
  EXPECT_EQ(control_->Claims(), 1);
}

TEST_F(ClaimDeskTest, AtTheEndOfItsWaitAClaimIsToldThatThereIsNothing) {
  Caller caller;
  Claim(caller, 60);
  control_->AwaitClaims(1);
  Pass(59);
  TickAndPoll();
  EXPECT_FALSE(caller.answered.HasBeenNotified());
  Pass(1);
  desk_->Tick();
  EXPECT_TRUE(caller.Await().refusal.ok());
  EXPECT_THAT(caller.result.tasks, IsEmpty());
}

TEST_F(ClaimDeskTest, ARepeatThatJoinsThoseWhoWaitIsAskedForBeforeLong) {
  Caller lost, waits, repeat;
  Create("a");
  Claim(lost, 0);
  ASSERT_THAT(lost.AwaitIds(), ElementsAre("a"));
  Claim(waits, 60);
  control_->AwaitClaims(2);
  TickAndPoll();
  repeat.token = lost.token;
  Claim(repeat, 60);
  TickAndPoll();
  EXPECT_EQ(control_->Claims(), 2);
  Pass(absl::ToInt64Seconds(limits::kClaimRecall));
  desk_->Tick();
  EXPECT_THAT(repeat.AwaitIds(), ElementsAre("a"));
}

TEST_F(ClaimDeskTest, NoClaimEndsWithoutHavingBeenAskedFor) {
  Caller lost, waits, repeat;
  Create("a");
  Claim(lost, 0);
  lost.Await();
  Claim(waits, 60);
  control_->AwaitClaims(2);
  TickAndPoll();
  repeat.token = lost.token;
  Claim(repeat, 1);
  Pass(1);
  desk_->Tick();
  EXPECT_THAT(repeat.AwaitIds(), ElementsAre("a"));
}

TEST_F(ClaimDeskTest, APausedNamespaceSaysSoAtOnceToWhoWouldNotWait) {
  Create("a");
  ASSERT_TRUE(
      policies_.Set({.name_space = "ns", .paused = true, .pause_reason = "the mill burns"}).ok());
  Caller caller;
  Claim(caller, 0);
  EXPECT_EQ(caller.Await().refusal.reason, Reason::kNamespacePaused);
  EXPECT_THAT(caller.result.refusal.message, HasSubstr("the mill burns"));
  EXPECT_EQ(caller.result.refusal.retry_after, absl::Seconds(1));
}

TEST_F(ClaimDeskTest, APausedNamespaceStillAnswersWhatALockHolds) {
  Create("a");
  Caller lost, repeat;
  Claim(lost, 0);
  lost.Await();
  ASSERT_TRUE(policies_.Set({.name_space = "ns", .paused = true}).ok());
  repeat.token = lost.token;
  Claim(repeat, 60);
  EXPECT_THAT(repeat.AwaitIds(), ElementsAre("a"));
}

TEST_F(ClaimDeskTest, WhoWaitsOutAPauseIsToldAtTheEndAndIsNotPolledFor) {
  Create("a");
  ASSERT_TRUE(policies_.Set({.name_space = "ns", .paused = true}).ok());
  Caller caller;
  Claim(caller, 60);
  control_->AwaitClaims(1);
  desk_->Wake("ns");
  desk_->Tick();
  Pass(60);
  desk_->Tick();
  EXPECT_EQ(caller.Await().refusal.reason, Reason::kNamespacePaused);
  EXPECT_EQ(control_->Claims(), 1);
  EXPECT_EQ(control_->Polls(), 0);
}

TEST_F(ClaimDeskTest, TheEndOfAPauseServesWhoWaits) {
  Create("a");
  ASSERT_TRUE(policies_.Set({.name_space = "ns", .paused = true}).ok());
  Caller caller;
  Claim(caller, 60);
  control_->AwaitClaims(1);
  control_->ChangePolicy({.name_space = "ns"});
  ASSERT_TRUE(policies_.Refresh().ok());
  EXPECT_THAT(caller.AwaitIds(), ElementsAre("a"));
}

TEST_F(ClaimDeskTest, WhoseDeadlinePassedOrWhoHasGoneIsDropped) {
  Caller late, gone;
  late.deadline = absl::FromUnixSeconds(seconds_ + 10);
  Claim(late, 60);
  Claim(gone, 60);
  Pass(10);
  *gone.cancelled = true;
  desk_->Tick();
  EXPECT_EQ(late.Await().refusal.reason, Reason::kDeadlineExceeded);
  EXPECT_EQ(gone.Await().refusal.reason, Reason::kCancelled);
}

TEST_F(ClaimDeskTest, WhatACallerGotWhoIsGoneIsGivenBack) {
  Create("a");
  control_->Hold(true);
  Caller gone;
  Claim(gone, 60);
  control_->AwaitClaims(1);
  *gone.cancelled = true;
  control_->Hold(false);
  EXPECT_EQ(gone.Await().refusal.reason, Reason::kCancelled);
  EXPECT_THAT(gone.result.tasks, IsEmpty());
  EXPECT_THAT(GivenBack(), ElementsAre("a " + gone.token));
}

TEST_F(ClaimDeskTest, WhatTheRepeatOfAGoneCallerWillGetIsNotGivenBack) {
  Create("a");
  control_->Hold(true);
  Caller gone, repeat;
  Claim(gone, 60);
  control_->AwaitClaims(1);
  repeat.token = gone.token;
  Claim(repeat, 0);
  *gone.cancelled = true;
  control_->Hold(false);
  EXPECT_EQ(gone.Await().refusal.reason, Reason::kCancelled);
  EXPECT_THAT(repeat.AwaitIds(), ElementsAre("a"));
  EXPECT_THAT(GivenBack(), IsEmpty());
}

// An earlier answer may have reached the worker after all.
TEST_F(ClaimDeskTest, WhatARepeatGotIsNotGivenBackThoughItsCallerIsGone) {
  Create("a");
  Caller first, repeat;
  repeat.token = first.token;
  Claim(first, 0);
  EXPECT_THAT(first.AwaitIds(), ElementsAre("a"));
  control_->Hold(true);
  Claim(repeat, 0);
  control_->AwaitClaims(2);
  *repeat.cancelled = true;
  control_->Hold(false);
  EXPECT_EQ(repeat.Await().refusal.reason, Reason::kCancelled);
  EXPECT_THAT(GivenBack(), IsEmpty());
}

TEST_F(ClaimDeskTest, ARepeatWhoseLockIsSpentIsAnsweredAtOnceThoughThereAreTasks) {
  Create("a");
  Caller first, repeat;
  repeat.token = first.token;
  Claim(first, 0);
  EXPECT_THAT(first.AwaitIds(), ElementsAre("a"));
  Write("a", domain::Release{}, "ns", first.token);
  Claim(repeat, 60);
  EXPECT_THAT(repeat.AwaitIds(), IsEmpty());
  EXPECT_TRUE(repeat.result.refusal.ok());
}

TEST_F(ClaimDeskTest, ARepeatWhoseTaskSomebodyHoldsIsToRepeatOnceMore) {
  Create("a");
  Create("b");
  Caller first, repeat, other;
  repeat.token = first.token;
  Claim(first, 0);
  EXPECT_THAT(first.AwaitIds(), ElementsAre("a"));
  {
    absl::MutexLock lock(&control_->mutex);
    control_->held.insert({"ns", "a"});
  }
  Claim(repeat, 60);
  EXPECT_EQ(repeat.Await().refusal.reason, Reason::kStoreUnavailable);
  Claim(other, 60);
  EXPECT_THAT(other.AwaitIds(), ElementsAre("b")) << "others do not wait";
}

TEST_F(ClaimDeskTest, AStoreThatIsAwayIsToldToAllWhoWait) {
  Caller asked, polled;
  Claim(polled, 60);
  control_->AwaitClaims(1);
  control_->Away(true);
  desk_->Tick();
  EXPECT_EQ(polled.Await().refusal.reason, Reason::kStoreUnavailable);
  Claim(asked, 60);
  EXPECT_EQ(asked.Await().refusal.reason, Reason::kStoreUnavailable);
}

TEST_F(ClaimDeskTest, ADeskThatIsFullTurnsAway) {
  Open({.interval = absl::InfiniteDuration(), .queue = 1, .threads = 1});
  Caller waits, turned_away;
  Claim(waits, 60);
  Claim(turned_away, 60);
  EXPECT_EQ(turned_away.Await().refusal.reason, Reason::kOverloaded);
  EXPECT_TRUE(turned_away.result.refusal.retry_after);
  desk_->Stop();
}

TEST_F(ClaimDeskTest, StopAnswersAllWhoWait) {
  Caller waits, late;
  Claim(waits, 60);
  desk_->Stop();
  EXPECT_EQ(waits.Await().refusal.reason, Reason::kStoreUnavailable);
  EXPECT_THAT(waits.result.refusal.message, HasSubstr("stopping"));
  Claim(late, 60);
  EXPECT_EQ(late.Await().refusal.reason, Reason::kStoreUnavailable);
  desk_->Stop();
}

TEST_F(ClaimDeskTest, ALongLookAmongTasksWhoseEarlierStepsAreNotDoneGoesOnFromPollToPoll) {
  control_->claim_scan = 10;
  for (int i = 100; i < 200; ++i) Create(absl::StrCat(i));
  Write("195", domain::Start{.create_if_missing = true}, "before", "lock");
  Write("195", domain::Succeed{}, "before", "lock");
  Caller caller;
  Claim(caller, 60, {.after = {"before"}});
  control_->AwaitClaims(limits::kClaimRounds);
  desk_->Tick();
  control_->AwaitClaims(2 * limits::kClaimRounds);
  EXPECT_FALSE(caller.answered.HasBeenNotified());
  desk_->Tick();
  EXPECT_THAT(caller.AwaitIds(), ElementsAre("195"));
  EXPECT_EQ(control_->Claims(), 10);
  EXPECT_EQ(control_->Polls(), 0);
}

TEST_F(ClaimDeskTest, ItsOwnClockPollsAndEndsWaits) {
  Caller found, none;
  ClaimDesk desk(&store_, &policies_, {.interval = absl::Milliseconds(5)});
  const auto claim = [&](Caller& caller, absl::Duration wait) {
    desk.Claim({.name_space = "ns", .wait = wait, .token = caller.token}, {},
               [answer = caller.answer](ClaimResult result) {
                 answer->result = std::move(result);
                 answer->answered.Notify();
               });
  };
  claim(none, absl::Milliseconds(1));
  EXPECT_THAT(none.AwaitIds(), IsEmpty());
  claim(found, absl::Seconds(60));
  control_->AwaitPolls(1);
  Create("a");
  EXPECT_THAT(found.AwaitIds(), ElementsAre("a"));
}

}  // namespace
}  // namespace tracker::service
