// The checker finds a planted violation of each kind, and none in histories that are right, with
// gaps among them: the histories are made here, answer by answer, by the state machine itself.
#include "tests/chaos/checker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>

#include "absl/strings/str_cat.h"
#include "server/decode.h"
#include "server/encode.h"
#include "server/errors.h"
#include "server/wire_time.h"
#include "src/domain/transition.h"

namespace tracker::chaos {
namespace {

using ::testing::Contains;
using ::testing::IsEmpty;

constexpr absl::Duration kSecond = absl::Seconds(1);

std::string LockNamed(char digit) { return std::string(32, digit); }

// One task of "plain", and a clock; what is asked is done at once, unless the story says otherwise.
class Story {
 public:
  void Wait(absl::Duration duration) { now_us_ += absl::ToInt64Microseconds(duration); }

  v1::Operation Create() {
    v1::Operation operation;
    Name(operation.mutable_create());
    return operation;
  }
  v1::Operation Start(char lock, absl::Duration lease = 2 * kSecond) {
    v1::Operation operation;
    v1::StartRequest* start = operation.mutable_start();
    Name(start)->set_lock(LockNamed(lock));
    start->set_worker(absl::StrCat("worker ", std::string(1, lock)));
    server::ToProto(lease, start->mutable_lease());
    return operation;
  }
  v1::Operation Succeed(char lock) {
    v1::Operation operation;
    Name(operation.mutable_succeed())->set_lock(LockNamed(lock));
    return operation;
  }
  v1::Operation Fail(char lock) {
    v1::Operation operation;
    Name(operation.mutable_fail())->set_lock(LockNamed(lock));
    return operation;
  }
  v1::Operation Heartbeat(char lock) {
    v1::Operation operation;
    Name(operation.mutable_heartbeat())->set_lock(LockNamed(lock));
    return operation;
  }
  v1::Operation Release(char lock) {
    v1::Operation operation;
    Name(operation.mutable_release())->set_lock(LockNamed(lock));
    return operation;
  }
  v1::Operation Reset(bool force = false) {
    v1::Operation operation;
    Name(operation.mutable_reset())->set_force(force);
    return operation;
  }
  v1::Operation Delete() {
    v1::Operation operation;
    Name(operation.mutable_delete_());
    return operation;
  }

  // Asks, does and answers; the answer may be changed afterwards.
  Exchange& Do(const v1::Operation& operation) {
    Exchange& exchange = Ask(operation);
    Exchange done = DoNow(exchange);
    return exchange = done;
  }
  // Two that were asked take effect in one commit, in this order.
  void DoAtOnce(Exchange& first, Exchange& second) {
    const int64_t commit_us = now_us_;
    for (Exchange* exchange : {&first, &second}) {
      now_us_ = commit_us;
      *exchange = DoNow(*exchange);
    }
  }
  // Asks, and is never told.
  Exchange& Ask(const v1::Operation& operation) {
    Exchange exchange;
    exchange.call.set_process(1);
    exchange.call.set_number(history_.size() + 1);
    exchange.call.set_begin_us(now_us_);
    *exchange.call.mutable_write() = operation;
    Wait(absl::Milliseconds(1));
    history_.push_back(std::move(exchange));
    return history_.back();
  }
  // What was asked takes effect, and nobody is told.
  void TakeEffect(const Exchange& exchange) { (void)DoNow(exchange); }
  // Asks all in one Batch, which takes effect, and nobody is told.
  void LoseBatch(const std::vector<v1::Operation>& operations) {
    Exchange& batch = Ask(operations.front());
    for (const v1::Operation& operation : operations)
      *batch.call.mutable_batch()->add_operations() = operation;
    const int64_t commit_us = now_us_;
    for (const v1::Operation& operation : operations) {
      Exchange part;
      *part.call.mutable_write() = operation;
      now_us_ = commit_us;
      TakeEffect(part);
    }
  }
  // Something that Tracker does by itself.
  void Act(domain::Action action, const std::string& token = "") {
    domain::Apply(task_,
                  {.key = {"plain", "t0"},
                   .token = token,
                   .action = std::move(action),
                   .policy = policies_.at("plain")},
                  Now());
  }
  Exchange& Look() {
    Exchange exchange;
    exchange.call.set_process(1);
    exchange.call.set_number(history_.size() + 1);
    exchange.call.set_begin_us(now_us_);
    Name(exchange.call.mutable_get());
    Wait(absl::Milliseconds(1));
    exchange.answered = true;
    if (task_) {
      Encode(*task_, /*lock=*/false, exchange.answer.mutable_task());
    } else {
      domain::Outcome none{.reason = domain::Reason::kTaskNotFound, .now = Now()};
      *exchange.answer.mutable_error() = server::ErrorOf(none);
    }
    Wait(absl::Milliseconds(1));
    exchange.answer.set_end_us(now_us_);
    history_.push_back(std::move(exchange));
    return history_.back();
  }

  std::optional<domain::Task>& task() { return task_; }

  std::vector<std::string> Broken() {
    const std::vector<Exchange> history(history_.begin(), history_.end());
    const Acts acts = TakeApart(history, policies_, kOffset);
    EXPECT_THAT(acts.surprises, IsEmpty());
    std::vector<std::string> rules;
    const Verdict verdict = Check(acts, policies_);
    EXPECT_EQ(verdict.undecided.size(), 0);
    assumed_ = verdict.assumed;
    for (const Violation& violation : verdict.violations) {
      rules.push_back(RuleName(violation.rule));
      shown_ += Show(violation);
      lines_[rules.back()] = violation.history.size();
    }
    return rules;
  }
  // Effects of which nobody was told, in what Broken() looked at.
  int64_t assumed() const { return assumed_; }
  // What was found, for people.
  const std::string& shown() const { return shown_; }
  size_t lines(Rule rule) { return lines_[RuleName(rule)]; }

 private:
  static constexpr absl::Duration kOffset = absl::Hours(400'000);

  template <typename Request>
  static Request* Name(Request* request) {
    request->set_namespace_("plain");
    request->set_id("t0");
    return request;
  }
  absl::Time Now() const { return absl::UnixEpoch() + absl::Microseconds(now_us_) + kOffset; }

  void Encode(domain::Task task, bool lock, v1::Task* out) const {
    const domain::Policy& policy = *policies_.at("plain");
    task.max_attempts = domain::EffectiveMaxAttempts(task, policy);
    if (!lock) task.lock.clear();
    server::EncodeTask(task, Now(), out);
    EXPECT_TRUE(server::EncodePayload(task, out).ok());
  }

  Exchange DoNow(Exchange exchange) {
    std::vector<server::FieldError> errors;
    domain::Command command = server::DecodeOperation(exchange.call.write(), 0, errors);
    EXPECT_TRUE(errors.empty());
    command.policy = policies_.at("plain");
    domain::Outcome outcome = domain::Apply(task_, command, Now()).outcome;
    exchange.answered = true;
    if (outcome.task) {
      outcome.task->max_attempts =
          domain::EffectiveMaxAttempts(*outcome.task, *policies_.at("plain"));
    }
    if (outcome.ok()) {
      Encode(*outcome.task, !outcome.task->lock.empty(), exchange.answer.mutable_task());
    } else {
      // A refusal does not show them.
      if (outcome.task) outcome.task->errors.clear();
      *exchange.answer.mutable_error() = server::ErrorOf(outcome);
    }
    Wait(absl::Milliseconds(1));
    exchange.answer.set_end_us(now_us_);
    return exchange;
  }

  const Policies policies_ = ChaosPolicies();
  int64_t now_us_ = 1'000'000;
  std::optional<domain::Task> task_;
  std::deque<Exchange> history_;
  int64_t assumed_ = 0;
  std::string shown_;
  std::map<std::string, size_t> lines_;
};

// Right histories.

TEST(Checker, FindsNothingWrongWithATaskThatFailsAndSucceeds) {
  Story story;
  story.Look();
  story.Do(story.Create());
  story.Do(story.Start('a'));
  story.Do(story.Start('a'));
  story.Do(story.Heartbeat('a'));
  story.Do(story.Start('b'));
  story.Do(story.Fail('a'));
  story.Do(story.Fail('a'));
  story.Do(story.Succeed('a'));
  story.Wait(kSecond);
  story.Do(story.Start('b'));
  story.Do(story.Succeed('b'));
  story.Look();
  story.Do(story.Delete());
  story.Look();
  story.Do(story.Create());
  story.Look();
  EXPECT_THAT(story.Broken(), IsEmpty()) << story.shown();
}

TEST(Checker, FindsTheEffectsThatNobodyWasToldOf) {
  Story story;
  story.Do(story.Create());
  // A worker that is killed as it starts, and a lease that the reaper ends.
  story.TakeEffect(story.Ask(story.Start('a', kSecond)));
  story.Wait(2 * kSecond);
  story.Act(domain::Expire{});
  story.Wait(kSecond);
  // Two that were asked and never arrived.
  story.Ask(story.Start('c'));
  story.Ask(story.Delete());
  story.Do(story.Start('b'));
  story.TakeEffect(story.Ask(story.Succeed('b')));
  story.Wait(kSecond);
  story.Do(story.Succeed('b'));
  story.TakeEffect(story.Ask(story.Delete()));
  story.Wait(kSecond);
  v1::Operation start = story.Start('d');
  start.mutable_start()->set_create_if_missing(true);
  story.TakeEffect(story.Ask(start));
  story.Do(start);
  story.Look();
  EXPECT_THAT(story.Broken(), IsEmpty()) << story.shown();
}

// Any three of many may have been it, which only a later answer tells: there are more ways until
// then than are kept.
TEST(Checker, LaterAnswersTellWhichOfManyLostCallsTookEffect) {
  Story story;
  story.Do(story.Create());
  const std::string locks = "0123456789abcde";
  std::vector<Exchange> lost;
  for (const char lock : locks) lost.push_back(story.Ask(story.Start(lock, kSecond)));
  for (const size_t effective : {12, 13}) {
    story.TakeEffect(lost[effective]);
    story.Wait(2 * kSecond);
    story.Act(domain::Expire{});
    story.Wait(kSecond);
  }
  story.TakeEffect(lost[14]);
  story.TakeEffect(story.Ask(story.Release(locks[14])));
  // Shows the state, without what went before.
  story.Do(story.Succeed('1'));
  story.Do(story.Start('f'));
  story.Look();
  EXPECT_THAT(story.Broken(), IsEmpty()) << story.shown();
}

TEST(Checker, AResetAndAnIgnoreThatNobodyWasToldOfLeaveTheirTrace) {
  Story story;
  story.Do(story.Create());
  story.Do(story.Start('a'));
  story.Do(story.Fail('a'));
  v1::Operation reset, ignore;
  *reset.mutable_reset()->mutable_namespace_() = "plain";
  reset.mutable_reset()->set_id("t0");
  *ignore.mutable_ignore()->mutable_namespace_() = "plain";
  ignore.mutable_ignore()->set_id("t0");
  story.TakeEffect(story.Ask(reset));
  story.TakeEffect(story.Ask(ignore));
  story.Look();
  EXPECT_THAT(story.Broken(), IsEmpty()) << story.shown();
}

// Of an attempt that succeeded and was then reset nothing remains, of one that a Reset cut off an
// error does: the one is as likely as the other where both would be one loss.
TEST(Checker, WhatALostBatchDidIsOneLoss) {
  Story story;
  story.Do(story.Create());
  story.Do(story.Start('a'));
  story.Ask(story.Reset(/*force=*/true));
  story.LoseBatch({story.Succeed('a'), story.Reset()});
  // A refusal does not show the errors, the next answer does.
  story.Do(story.Fail('b'));
  story.Do(story.Start('c'));
  EXPECT_THAT(story.Broken(), IsEmpty()) << story.shown();
  EXPECT_EQ(story.assumed(), 1);
}

TEST(Checker, ALostCallMayTakeEffectLater) {
  Story story;
  story.Do(story.Create());
  const Exchange late = story.Ask(story.Start('a', kSecond));
  story.Wait(5 * kSecond);
  story.Do(story.Start('b', kSecond));
  story.Do(story.Fail('b'));
  story.TakeEffect(late);
  story.Do(story.Start('c'));
  story.Wait(3 * kSecond);
  story.Do(story.Start('c'));
  story.Look();
  EXPECT_THAT(story.Broken(), IsEmpty()) << story.shown();
}

// No row is there to be locked, so its time may lie behind that of a task which is made later.
TEST(Checker, ATaskThatABatchMakesAndDeletesIsNoPartOfTheOthersOrder) {
  Story story;
  Exchange& batch = story.Ask(story.Create());
  *batch.call.mutable_batch()->add_operations() = story.Create();
  *batch.call.mutable_batch()->add_operations() = story.Delete();
  batch.answered = true;
  batch.answer.set_end_us(batch.call.begin_us() + 5000);
  story.Wait(absl::Milliseconds(2));
  const Exchange later = story.Do(story.Create());
  // Made and deleted at a time after that, and seen by nobody.
  v1::Task unseen = later.answer.task();
  unseen.mutable_create_time()->set_nanos(unseen.create_time().nanos() + 1'000'000);
  for (auto* time : {unseen.mutable_update_time(), unseen.mutable_available_time()})
    *time = unseen.create_time();
  for (int i = 0; i < 2; ++i) *batch.answer.mutable_batch()->add_results()->mutable_task() = unseen;
  story.Wait(kSecond);
  story.Do(story.Start('a'));
  EXPECT_THAT(story.Broken(), IsEmpty()) << story.shown();
}

TEST(Checker, TwoStartsOfOneCommitHaveOneTime) {
  Story story;
  story.Do(story.Create());
  v1::Operation takeover = story.Start('b');
  takeover.mutable_start()->set_ignore_lock(true);
  Exchange& second = story.Ask(takeover);
  Exchange& first = story.Ask(story.Start('a'));
  story.DoAtOnce(first, second);
  EXPECT_EQ(first.answer.task().fence(), 1);
  EXPECT_EQ(second.answer.task().fence(), 2);
  EXPECT_EQ(server::FromProto(first.answer.task().lock_time()),
            server::FromProto(second.answer.task().lock_time()));
  EXPECT_THAT(story.Broken(), IsEmpty()) << story.shown();
}

// Planted violations, one of each kind.

TEST(Checker, FindsTwoLiveLocks) {
  Story story;
  story.Do(story.Create());
  story.Do(story.Start('a'));
  // Given back without anybody having asked for it.
  story.Act(domain::Release{}, LockNamed('a'));
  story.Wait(absl::Milliseconds(10));
  story.Do(story.Start('b'));
  EXPECT_THAT(story.Broken(), Contains(RuleName(Rule::kTwoLiveLocks))) << story.shown();
  EXPECT_EQ(story.lines(Rule::kTwoLiveLocks), 2u);
}

TEST(Checker, FindsAFenceThatWasGivenTwice) {
  Story story;
  story.Do(story.Create());
  story.Do(story.Start('a'));
  story.Do(story.Fail('a'));
  story.task()->fence -= 1;
  story.Do(story.Start('b'));
  EXPECT_THAT(story.Broken(), Contains(RuleName(Rule::kFenceOfTwoLocks))) << story.shown();
}

TEST(Checker, FindsAFenceThatFell) {
  Story story;
  story.Do(story.Create());
  for (const char lock : {'a', 'b'}) {
    story.Do(story.Start(lock));
    story.Do(story.Fail(lock));
  }
  story.task()->fence = 0;
  story.Do(story.Start('c'));
  EXPECT_THAT(story.Broken(), Contains(RuleName(Rule::kFenceFell))) << story.shown();
}

TEST(Checker, FindsALockThatBeganTwoAttempts) {
  Story story;
  story.Do(story.Create());
  story.Do(story.Start('a'));
  story.Do(story.Fail('a'));
  story.task()->lock = LockNamed('f');
  story.Do(story.Start('a'));
  EXPECT_THAT(story.Broken(), Contains(RuleName(Rule::kLockOfTwoFences))) << story.shown();
}

TEST(Checker, FindsAnAcknowledgedChangeThatVanished) {
  Story story;
  story.Do(story.Create());
  story.Do(story.Start('a'));
  const std::optional<domain::Task> before = story.task();
  story.Do(story.Succeed('a'));
  story.task() = before;
  story.Wait(kSecond);
  story.Look();
  EXPECT_THAT(story.Broken(), Contains(RuleName(Rule::kVanished))) << story.shown();
}

TEST(Checker, FindsAnAcknowledgedTaskThatVanished) {
  Story story;
  story.Do(story.Create());
  story.task().reset();
  story.Wait(kSecond);
  story.Look();
  EXPECT_THAT(story.Broken(), Contains(RuleName(Rule::kMissing))) << story.shown();
}

TEST(Checker, FindsALeaseOnAnotherClock) {
  Story story;
  story.Do(story.Create());
  Exchange& started = story.Do(story.Start('a'));
  started.answer.mutable_task()->mutable_lock_time()->set_seconds(
      started.answer.task().lock_time().seconds() + 3600);
  EXPECT_THAT(story.Broken(), Contains(RuleName(Rule::kOutOfTime))) << story.shown();
}

TEST(Checker, FindsAnAttemptThatWasCountedTwice) {
  Story story;
  story.Do(story.Create());
  story.Do(story.Start('a'));
  story.task()->attempts += 1;
  story.Do(story.Fail('a'));
  EXPECT_THAT(story.Broken(), Contains(RuleName(Rule::kUnexplained))) << story.shown();
}

TEST(Checker, FindsASuccessUnderALockThatWasLost) {
  Story story;
  story.Do(story.Create());
  story.Do(story.Start('a', kSecond));
  story.Wait(2 * kSecond);
  story.Do(story.Start('b'));
  // No lock check.
  story.Act(domain::Succeed{}, LockNamed('b'));
  Exchange& late = story.Ask(story.Succeed('a'));
  const Exchange seen = story.Look();
  late.answered = true;
  late.answer = seen.answer;
  EXPECT_THAT(story.Broken(), Contains(RuleName(Rule::kUnexplained))) << story.shown();
}

TEST(Checker, FindsARefusalForNoReason) {
  Story story;
  story.Do(story.Create());
  Exchange& started = story.Do(story.Start('a'));
  domain::Outcome locked{.reason = domain::Reason::kTaskLocked, .task = story.task()};
  locked.task->lock.clear();
  locked.now = locked.task->update_time;
  story.Do(story.Fail('a'));
  story.Wait(kSecond);
  Exchange& refused = story.Ask(story.Start('b'));
  locked.task = story.task();
  locked.task->lock.clear();
  locked.task->max_attempts = 3;
  *refused.answer.mutable_error() = server::ErrorOf(locked);
  refused.answered = true;
  story.Wait(absl::Milliseconds(1));
  refused.answer.set_end_us(refused.call.begin_us() + 1000);
  (void)started;
  EXPECT_THAT(story.Broken(), Contains(RuleName(Rule::kUnexplained))) << story.shown();
  // The version before, and the refusal.
  EXPECT_EQ(story.lines(Rule::kUnexplained), 2u) << story.shown();
}

TEST(Checker, FindsAnAttemptTooMany) {
  Story story;
  story.Do(story.Create());
  for (const char lock : {'a', 'b', 'c'}) {
    story.Do(story.Start(lock));
    story.Do(story.Fail(lock));
  }
  // It is exhausted, and starts all the same.
  story.task()->status = domain::Status::kFailed;
  story.task()->attempts = 2;
  story.Do(story.Start('d'));
  EXPECT_THAT(story.Broken(), Contains(RuleName(Rule::kUnexplained))) << story.shown();
}

}  // namespace
}  // namespace tracker::chaos
