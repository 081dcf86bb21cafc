#include "src/service/tracker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "src/base/monotonic.h"
#include "src/base/token.h"
#include "src/service/page_token.h"
#include "src/service/periodic.h"
#include "src/service/reaper.h"
#include "tests/service/fake_store.h"

namespace tracker::service {
namespace {

using domain::Outcome;
using domain::Reason;
using domain::Status;
using ::testing::HasSubstr;

domain::Command Make(const std::string& id, domain::Action action,
                     const std::string& token = NewLockToken()) {
  return {.key = {"ns", id}, .token = token, .action = std::move(action)};
}

class TrackerTest : public ::testing::Test {
 protected:
  void Open(TrackerOptions options = {}) {
    tracker_ = std::make_unique<Tracker>(std::make_unique<testing::FakeStore>(control_), options);
  }
  std::vector<Outcome> Write(std::vector<domain::Command> commands) {
    std::promise<std::vector<Outcome>> promise;
    tracker_->Write(std::move(commands), {},
                    [&](std::vector<Outcome> outcomes) { promise.set_value(std::move(outcomes)); });
    return promise.get_future().get();
  }
  absl::StatusOr<ListAnswer> List(ListRequest request) {
    std::promise<absl::StatusOr<ListAnswer>> promise;
    tracker_->List(std::move(request), {}, [&](absl::StatusOr<ListAnswer> answer) {
      promise.set_value(std::move(answer));
    });
    return promise.get_future().get();
  }
  std::future<ClaimResult> Claim(const std::string& lock, absl::Duration wait = absl::Minutes(1)) {
    auto promise = std::make_shared<std::promise<ClaimResult>>();
    tracker_->Claim({.name_space = "ns", .wait = wait, .token = lock}, {},
                    [promise](ClaimResult result) { promise->set_value(std::move(result)); });
    return promise->get_future();
  }
  absl::StatusOr<domain::Policy> SetPolicy(domain::Policy policy) {
    std::promise<absl::StatusOr<domain::Policy>> promise;
    tracker_->SetPolicy(std::move(policy), {}, [&](absl::StatusOr<domain::Policy> stored) {
      promise.set_value(std::move(stored));
    });
    return promise.get_future().get();
  }

  std::shared_ptr<testing::FakeStore::Control> control_ =
      std::make_shared<testing::FakeStore::Control>();
  std::unique_ptr<Tracker> tracker_;
};

TEST_F(TrackerTest, OutcomesOfABatchComeInItsOrderThoughTheTasksAreOnDifferentLanes) {
  Open();
  std::vector<domain::Command> commands;
  for (int i = 0; i < 100; ++i) {
    commands.push_back(Make(absl::StrCat(i), domain::Create{.priority = i}));
  }
  const std::vector<Outcome> outcomes = Write(std::move(commands));
  ASSERT_EQ(outcomes.size(), 100);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(outcomes[i].task->priority, i);
}

TEST_F(TrackerTest, OperationsOnOneTaskTakeEffectInTheirOrder) {
  Open();
  const std::string lock = NewLockToken();
  const std::vector<Outcome> outcomes =
      Write({Make("a", domain::Create{}), Make("a", domain::Start{}, lock),
             Make("a", domain::Succeed{}, lock), Make("a", domain::Start{})});
  EXPECT_EQ(outcomes[1].task->status, Status::kInProgress);
  EXPECT_EQ(outcomes[2].task->status, Status::kSucceeded);
  EXPECT_EQ(outcomes[3].reason, Reason::kTaskSucceeded);
}

TEST_F(TrackerTest, ACallOfManyCommandsHoldsNoMoreDataThanAnAnswerHasRoomFor) {
  Open();
  const std::string data(limits::kDataBytes, 'x');
  std::vector<domain::Command> commands;
  for (int i = 0; i < 100; ++i) commands.push_back(Make("a", domain::Create{.data = data}));
  for (int i = 0; i < 100; ++i)
    commands.push_back(Make("a", domain::Start{.ignore_lock = true, .force = true}));
  size_t held = 0;
  for (const Outcome& outcome : Write(std::move(commands))) {
    ASSERT_TRUE(outcome.task);
    held += outcome.task->data.size();
    EXPECT_EQ(outcome.truncated, outcome.task->data.empty());
  }
  EXPECT_GT(held, limits::kAnswerBytes / 2);
  EXPECT_LE(held, limits::kAnswerBytes);
  EXPECT_EQ(Write({Make("a", domain::Delete{.force = true})})[0].task->data.size(), data.size());
}

TEST_F(TrackerTest, NoCommandsAreAnsweredAtOnce) {
  Open();
  EXPECT_TRUE(Write({}).empty());
}

TEST_F(TrackerTest, AfterStopEveryCallIsTurnedAwayAsSafeToRepeat) {
  Open();
  tracker_->Stop();
  EXPECT_EQ(Write({Make("a", domain::Create{})})[0].reason, Reason::kStoreUnavailable);
  EXPECT_TRUE(absl::IsUnavailable(List({.query = {.name_space = "ns"}}).status()));
}

TEST_F(TrackerTest, AReadBeyondTheQueueIsTurnedAwayAndToldWhenToComeBack) {
  Open({.readers = 1});
  control_->Hold(true);
  // The only reader may have one already; the queue takes the rest, but for the last.
  std::atomic<bool> refused = false;
  std::optional<absl::Duration> retry_after;
  for (size_t i = 0; i < limits::kReadQueue + 2; ++i) {
    tracker_->Get({"ns", "a"}, {}, [&](Outcome outcome) {
      if (outcome.reason != Reason::kOverloaded || refused.exchange(true)) return;
      retry_after = outcome.retry_after;
    });
  }
  EXPECT_TRUE(refused);
  EXPECT_GT(retry_after.value_or(absl::ZeroDuration()), absl::ZeroDuration());
  control_->Hold(false);
  tracker_->Stop();
}

TEST_F(TrackerTest, APageTokenGoesOnWhereThePageEnded) {
  Open();
  for (const char* id : {"a", "b", "c"}) Write({Make(id, domain::Create{})});
  ListRequest request{.query = {.name_space = "ns", .limit = 2}};
  auto first = List(request);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first->tasks.size(), 2);
  request.page_token = first->next_page_token;
  auto second = List(request);
  ASSERT_TRUE(second.ok());
  ASSERT_EQ(second->tasks.size(), 1);
  EXPECT_EQ(second->tasks[0].key.id, "c");
  EXPECT_EQ(second->next_page_token, "");
}

TEST_F(TrackerTest, AChangedFilterMakesAPageTokenInvalid) {
  Open();
  const store::ListQuery query{.name_space = "ns", .statuses = {Status::kFailed}};
  const std::string token = EncodePageToken(query, {control_->now, "id:with:colons"});
  EXPECT_EQ(DecodePageToken(query, token)->id, "id:with:colons");
  const std::vector<std::function<void(store::ListQuery&)>> changes = {
      [](store::ListQuery& changed) { changed.id_prefix = "x"; },
      [](store::ListQuery& changed) { changed.worker = "x"; },
      [](store::ListQuery& changed) { changed.error_text = "x"; },
      [](store::ListQuery& changed) { changed.error_fingerprint = 1; },
      [](store::ListQuery& changed) { changed.order = store::Order::kOldestFirst; },
      [](store::ListQuery& changed) { changed.statuses.clear(); },
  };
  for (size_t i = 0; i < changes.size(); ++i) {
    store::ListQuery changed = query;
    changes[i](changed);
    const absl::Status refused = DecodePageToken(changed, token).status();
    EXPECT_TRUE(absl::IsInvalidArgument(refused)) << i;
    EXPECT_THAT(std::string(refused.message()), HasSubstr("other filters"));
  }
}

TEST_F(TrackerTest, ATokenThatIsNoneIsInvalid) {
  for (const std::string& token :
       std::vector<std::string>{"x", "!!!", "MTox", std::string(10000, 'A')}) {
    EXPECT_TRUE(absl::IsInvalidArgument(DecodePageToken({.name_space = "ns"}, token).status()))
        << token;
  }
}

TEST_F(TrackerTest, HealthFollowsTheStore) {
  absl::Mutex mutex;
  std::vector<bool> told;
  Open({.ping_interval = absl::Milliseconds(1), .on_health = [&](bool healthy, const std::string&) {
          absl::MutexLock lock(&mutex);
          told.push_back(healthy);
        }});
  const auto await = [&](size_t count) {
    absl::MutexLock lock(&mutex);
    auto reached = [&] { return told.size() >= count; };
    mutex.Await(absl::Condition(&reached));
  };
  await(1);
  EXPECT_TRUE(tracker_->healthy());
  control_->Away(true);
  await(2);
  EXPECT_FALSE(tracker_->healthy());
  control_->Away(false);
  await(3);
  EXPECT_TRUE(tracker_->healthy());
  tracker_->Stop();
  EXPECT_THAT(told, ::testing::ElementsAre(true, false, true));
}

TEST_F(TrackerTest, AWriteThatMeetsAnAbsentStoreIsNoticedBeforeTheNextPing) {
  std::atomic<bool> away_told = false;
  Open({.ping_interval = absl::Hours(1),
        .on_health = [&](bool healthy, const std::string&) { away_told = !healthy; }});
  Write({Make("a", domain::Create{})});
  control_->Away(true);
  EXPECT_EQ(Write({Make("a", domain::Start{})})[0].reason, Reason::kStoreUnavailable);
  while (!away_told) std::this_thread::yield();
}

TEST_F(TrackerTest, TheReaperBringsACrashedWorkersTaskBack) {
  Open({.reap_interval = absl::Milliseconds(1)});
  Write({Make("a", domain::Start{.lease = absl::Seconds(10), .create_if_missing = true})});
  absl::MutexLock lock(&control_->mutex);
  control_->now += absl::Seconds(10);
  auto back = [&] { return control_->tasks.at({"ns", "a"}).status == Status::kFailed; };
  control_->mutex.Await(absl::Condition(&back));
  EXPECT_EQ(control_->tasks.at({"ns", "a"}).errors.at(0).kind, domain::ErrorKind::kLeaseExpired);
}

TEST_F(TrackerTest, AClaimThatWaitsIsServedAsSoonAsATaskIsMadeOrComesBack) {
  Open({.claim_interval = absl::Hours(1)});
  std::future<ClaimResult> created = Claim("first");
  control_->AwaitClaims(1);
  Write({Make("a", domain::Create{})});
  ASSERT_EQ(created.get().tasks.size(), 1);
  std::future<ClaimResult> failed = Claim("second");
  control_->AwaitClaims(3);
  Write({Make("a", domain::Fail{}, "first")});
  const ClaimResult again = failed.get();
  ASSERT_EQ(again.tasks.size(), 1);
  EXPECT_EQ(again.tasks[0].attempts, 2);
}

TEST_F(TrackerTest, AClaimThatWaitsIsServedWhenTheReaperBringsATaskBack) {
  Open({.reap_interval = absl::Milliseconds(1), .claim_interval = absl::Hours(1)});
  Write({Make("a", domain::Start{.lease = absl::Seconds(10), .create_if_missing = true})});
  std::future<ClaimResult> claimed = Claim("lock");
  control_->AwaitClaims(1);
  {
    absl::MutexLock lock(&control_->mutex);
    control_->now += absl::Seconds(10);
  }
  EXPECT_EQ(claimed.get().tasks.size(), 1);
}

TEST_F(TrackerTest, WhatIsGivenBackCostsNoAttemptAndIsClaimableAgain) {
  Open();
  Write({Make("a", domain::Create{})});
  std::vector<domain::Task> tasks = Claim("lock").get().tasks;
  ASSERT_EQ(tasks.size(), 1);
  tracker_->GiveBack(std::move(tasks));
  const ClaimResult again = Claim("another").get();
  ASSERT_EQ(again.tasks.size(), 1);
  EXPECT_EQ(again.tasks[0].attempts, 1);
  EXPECT_EQ(again.tasks[0].errors.at(0).kind, domain::ErrorKind::kReleased);
}

TEST_F(TrackerTest, WhatCannotBeGivenBackNowIsGivenBackLater) {
  Open();
  Write({Make("a", domain::Create{})});
  std::vector<domain::Task> tasks = Claim("lock").get().tasks;
  control_->Away(true);
  tracker_->GiveBack(std::move(tasks));
  Write({Make("a", domain::Start{})});
  control_->Away(false);
  absl::MutexLock lock(&control_->mutex);
  auto back = [&] { return control_->tasks.at({"ns", "a"}).status == Status::kPending; };
  control_->mutex.Await(absl::Condition(&back));
}

TEST_F(TrackerTest, APolicyCountsForTheNextCommand) {
  Open({.policy_interval = absl::Hours(1)});
  Write({Make("a", domain::Create{})});
  EXPECT_EQ(Write({Make("a", domain::Create{.allow_existing = true})})[0].task->max_attempts, 3);
  ASSERT_TRUE(SetPolicy({.name_space = "ns", .max_attempts = 1}).ok());
  const std::string lock = NewLockToken();
  EXPECT_EQ(Write({Make("a", domain::Start{}, lock)})[0].task->max_attempts, 1);
  EXPECT_EQ(Write({Make("a", domain::Fail{}, lock)})[0].task->status, Status::kExhausted);
  EXPECT_EQ(List({.query = {.name_space = "ns"}})->tasks.at(0).max_attempts, 1);
  ASSERT_TRUE(SetPolicy({.name_space = "ns", .paused = true}).ok());
  EXPECT_EQ(Write({Make("b", domain::Start{.create_if_missing = true})})[0].reason,
            Reason::kNamespacePaused);
}

TEST_F(TrackerTest, AnotherServersPolicyIsFollowed) {
  Open({.policy_interval = absl::Milliseconds(1)});
  control_->ChangePolicy({.name_space = "ns", .paused = true});
  while (Write({Make("a", domain::Start{.create_if_missing = true})})[0].reason !=
         Reason::kNamespacePaused) {
    Write({Make("a", domain::Delete{.force = true})});
  }
}

TEST_F(TrackerTest, NothingIsStartedWhileThePoliciesAreUnknown) {
  control_->Away(true);
  control_->ChangePolicy({.name_space = "ns", .paused = true});
  Open({.policy_interval = absl::Hours(1)});
  EXPECT_EQ(Write({Make("a", domain::Start{})})[0].reason, Reason::kStoreUnavailable);
  control_->Away(false);
  EXPECT_EQ(Write({Make("a", domain::Start{.create_if_missing = true})})[0].reason,
            Reason::kNamespacePaused);
}

TEST_F(TrackerTest, TheReaperGoesByThePolicy) {
  Open({.reap_interval = absl::Milliseconds(1)});
  ASSERT_TRUE(SetPolicy({.name_space = "ns", .max_attempts = 1}).ok());
  Write({Make("a", domain::Start{.lease = absl::Seconds(10), .create_if_missing = true})});
  absl::MutexLock lock(&control_->mutex);
  control_->now += absl::Seconds(10);
  auto over = [&] { return control_->tasks.at({"ns", "a"}).status == Status::kExhausted; };
  control_->mutex.Await(absl::Condition(&over));
}

TEST_F(TrackerTest, ThePurgeDeletesFinishedTasksInTheBackgroundAndOnlyThose) {
  Open({.purge_interval = absl::Milliseconds(1)});
  ASSERT_TRUE(SetPolicy({.name_space = "ns", .retention = absl::Minutes(1)}).ok());
  Write({Make("kept", domain::Create{}), Make("a", domain::Create{}), Make("a", domain::Ignore{})});
  absl::MutexLock lock(&control_->mutex);
  control_->now += absl::Minutes(1);
  auto gone = [&] { return control_->tasks.size() == 1; };
  control_->mutex.Await(absl::Condition(&gone));
  EXPECT_TRUE(control_->tasks.contains({"ns", "kept"}));
}

TEST_F(TrackerTest, ANamespaceThatFailsPausesItselfAndTheTrackerTells) {
  absl::Notification paused;
  std::string reason;
  control_->ChangePolicy({.name_space = "ns", .pause_on_failure = domain::PauseOnFailure{}});
  control_->attempts["ns"] = {.ended = 100, .failed = 60};
  Open({.policy_interval = absl::Milliseconds(1), .on_pause = [&](const domain::Policy& policy) {
          reason = policy.pause_reason;
          paused.Notify();
        }});
  paused.WaitForNotification();
  EXPECT_THAT(reason, HasSubstr("60 of the last 100 attempts"));
  EXPECT_EQ(Claim("lock", absl::ZeroDuration()).get().refusal.reason, Reason::kNamespacePaused);
}

TEST_F(TrackerTest, ABulkUpdateGoesThroughTheLanesAndWakesWhoWaits) {
  Open({.claim_interval = absl::Hours(1)});
  const std::string lock = NewLockToken();
  Write({Make("a", domain::Start{.create_if_missing = true}, lock),
         Make("a", domain::Fail{.no_retry = true}, lock)});
  std::future<ClaimResult> claimed = Claim("lock");
  control_->AwaitClaims(1);
  absl::Notification ended;
  tracker_->BulkUpdate({.filter = {.name_space = "ns"}}, {}, nullptr,
                       [&](absl::Status status, JobProgress progress) {
                         EXPECT_TRUE(status.ok()) << status;
                         EXPECT_EQ(progress.updated, 1);
                         ended.Notify();
                       });
  ended.WaitForNotification();
  EXPECT_EQ(claimed.get().tasks.size(), 1);
}

TEST(Reaper, HeldRowsKeepNoneBehindThemWaiting) {
  auto control = std::make_shared<testing::FakeStore::Control>();
  testing::FakeStore store(control);
  for (int i = 0; i < 9; ++i) {
    domain::Command start =
        Make(absl::StrCat(i), domain::Start{.lease = absl::Seconds(1), .create_if_missing = true});
    const domain::Command* pointer = &start;
    store.Apply({&pointer, 1});
    if (i < 4) control->held.insert(start.key);
  }
  control->now += absl::Seconds(1);
  Reaper reaper(&store, {});
  EXPECT_EQ(reaper.Step(3)->ended, 0);
  EXPECT_EQ(reaper.Step(3)->ended, 2);
  EXPECT_EQ(reaper.Step(3)->ended, 3);
  EXPECT_EQ(reaper.Step(3)->held, 4);
  control->held.clear();
  EXPECT_EQ(reaper.Step(3)->ended, 4);
}

TEST(Reaper, OneStepEndsAtMostItsLimit) {
  auto control = std::make_shared<testing::FakeStore::Control>();
  testing::FakeStore store(control);
  for (int i = 0; i < 5; ++i) {
    domain::Command start =
        Make(absl::StrCat(i), domain::Start{.lease = absl::Seconds(1), .create_if_missing = true});
    const domain::Command* pointer = &start;
    store.Apply({&pointer, 1});
  }
  control->now += absl::Seconds(1);
  EXPECT_EQ(*ReapOnce(store, 3), 3);
  EXPECT_EQ(*ReapOnce(store, 3), 2);
  EXPECT_EQ(*ReapOnce(store, 3), 0);
  control->Away(true);
  EXPECT_FALSE(ReapOnce(store, 3).ok());
}

TEST(Periodic, StepsAgainAtOnceWhileThereIsMore) {
  std::atomic<int> steps = 0;
  Periodic periodic(absl::Hours(1), [&] { return ++steps < 10; });
  while (steps < 10) std::this_thread::yield();
  periodic.Stop();
  EXPECT_EQ(steps, 10);
}

TEST(Periodic, ANudgeEndsTheWait) {
  std::atomic<int> steps = 0;
  Periodic periodic(absl::Hours(1), [&] {
    ++steps;
    return false;
  });
  while (steps < 1) std::this_thread::yield();
  periodic.Nudge();
  while (steps < 2) std::this_thread::yield();
  periodic.Stop();
  EXPECT_EQ(steps, 2);
}

// However long the store would take over it.
TEST_F(TrackerTest, ARecountEndsWithItsCallersPatienceAndWithTheServer) {
  Open();
  control_->hold_recount = true;
  const auto recount = [&](CallContext context) {
    auto promise = std::make_shared<std::promise<absl::Status>>();
    tracker_->CheckCounts(std::move(context),
                          [promise](const absl::StatusOr<store::CountCheck>& check) {
                            promise->set_value(check.status());
                          });
    return promise->get_future();
  };
  const auto cancelled = std::make_shared<std::atomic<bool>>(false);
  std::future<absl::Status> of_gone = recount({.cancelled = cancelled});
  std::future<absl::Status> of_late =
      recount({.deadline = base::MonotonicNow() + absl::Milliseconds(20)});
  std::future<absl::Status> of_patient = recount({});
  EXPECT_TRUE(absl::IsDeadlineExceeded(of_late.get()));
  *cancelled = true;
  EXPECT_TRUE(absl::IsCancelled(of_gone.get()));
  tracker_->Stop();
  EXPECT_TRUE(absl::IsUnavailable(of_patient.get()));
}

}  // namespace
}  // namespace tracker::service
