// What each step of the state machine does to the task's fields, and what its refusals tell.
#include "src/domain/transition.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "src/base/limits.h"
#include "tests/unit/task_builder.h"

namespace tracker::domain::testing {
namespace {

std::shared_ptr<const Policy> PolicyWith(Policy policy) {
  return std::make_shared<const Policy>(std::move(policy));
}

TEST(CreateTest, SetsWhatIsAskedAndNothingElse) {
  std::optional<Task> task;
  const Command command = MakeCommand(Create{.data = R"({"a":1})",
                                             .priority = 7,
                                             .available_time = kNow + absl::Hours(1),
                                             .max_attempts = 5});
  ASSERT_TRUE(Apply(task, command, kNow).outcome.ok());
  Task expected;
  expected.key = kKey;
  expected.data = R"({"a":1})";
  expected.priority = 7;
  expected.max_attempts = 5;
  expected.create_time = expected.update_time = kNow;
  expected.available_time = expected.alarm_time = kNow + absl::Hours(1);
  expected.lock = kOtherToken;
  expected.lock_time = expected.lock_expire_time = absl::UnixEpoch();
  EXPECT_EQ(*task, expected);
}

TEST(StartTest, SetsLockFenceAttemptTimesAndWorker) {
  std::optional<Task> task = EndedTask(Status::kFailed, ErrorKind::kFailed);
  const Start start = {.worker = "worker-2", .lease = absl::Seconds(5)};
  Task expected = *task;
  ASSERT_TRUE(Apply(task, MakeCommand(start), kNow).outcome.ok());
  expected.status = Status::kInProgress;
  expected.attempts = 2;
  expected.fence = 2;
  expected.worker = "worker-2";
  expected.lock = kOtherToken;
  expected.spent_locks = {kOwnToken};
  expected.lease = absl::Seconds(5);
  expected.lock_time = expected.update_time = kNow;
  expected.lock_expire_time = expected.alarm_time = kNow + absl::Seconds(5);
  EXPECT_EQ(*task, expected);
}

TEST(StartTest, TakesTheLeaseOfThePolicyUnlessItNamesOne) {
  std::optional<Task> task = PendingTask();
  Command command = MakeCommand(Start{});
  ASSERT_TRUE(Apply(task, command, kNow).outcome.ok());
  EXPECT_EQ(task->lease, limits::kDefaultLease);
  task = PendingTask();
  command.policy = PolicyWith({.lease = absl::Seconds(7)});
  ASSERT_TRUE(Apply(task, command, kNow).outcome.ok());
  EXPECT_EQ(task->lock_expire_time, kNow + absl::Seconds(7));
}

TEST(StartTest, CountsAttemptsFromOneAfterASuccess) {
  std::optional<Task> task = RunningTask(3);
  task->status = Status::kSucceeded;
  ASSERT_TRUE(Apply(task, MakeCommand(Start{.force = true}), kNow).outcome.ok());
  EXPECT_EQ(task->attempts, 1);
  EXPECT_EQ(task->fence, 4);
}

TEST(StartTest, RefusedByALiveLockTellsHolderAndWhenToComeAgain) {
  std::optional<Task> task = RunningTask();
  const Outcome outcome = Apply(task, MakeCommand(Start{}), kNow).outcome;
  EXPECT_EQ(outcome.reason, Reason::kTaskLocked);
  EXPECT_EQ(outcome.retry_after, kLease - absl::Seconds(30));
  EXPECT_EQ(outcome.task->worker, "worker-1");
  EXPECT_EQ(outcome.task->lock_expire_time, kStart + kLease);
  EXPECT_EQ(outcome.task->lock, "");
}

TEST(StartTest, BeforeItsTimeTellsHowLongToWait) {
  std::optional<Task> task = PendingTask();
  task->available_time = kNow + absl::Microseconds(1);
  EXPECT_EQ(Apply(task, MakeCommand(Start{}), kNow).outcome.retry_after, absl::Microseconds(1));
  EXPECT_TRUE(Apply(task, MakeCommand(Start{}), kNow + absl::Microseconds(1)).outcome.ok());
}

TEST(StartTest, RecordsTheAttemptWhoseLeaseIsOver) {
  std::optional<Task> task = RunningTask();
  ASSERT_TRUE(Apply(task, MakeCommand(Start{.worker = "w2"}), kStart + kLease).outcome.ok());
  ASSERT_EQ(task->errors.size(), 1u);
  EXPECT_EQ(task->errors[0].kind, ErrorKind::kLeaseExpired);
  EXPECT_EQ(task->errors[0].worker, "worker-1");
  EXPECT_EQ(task->errors[0].attempt, 1);
  EXPECT_EQ(task->errors[0].fence, 1);
  EXPECT_EQ(task->errors[0].time, kStart + kLease);
}

TEST(StartTest, RecordsTheAttemptThatItTakesOver) {
  std::optional<Task> task = RunningTask();
  ASSERT_TRUE(
      Apply(task, MakeCommand(Start{.worker = "w2", .ignore_lock = true}), kNow).outcome.ok());
  ASSERT_EQ(task->errors.size(), 1u);
  EXPECT_EQ(task->errors[0].kind, ErrorKind::kReleased);
  EXPECT_EQ(task->errors[0].worker, "worker-1");
  EXPECT_EQ(task->worker, "w2");
  // The one who was taken over from can change nothing any more.
  EXPECT_EQ(Apply(task, MakeCommand(Succeed{}, kOwnToken), kNow).outcome.reason, Reason::kLockLost);
}

TEST(StartTest, LateCopiesOfOldStartsBeginNothing) {
  std::optional<Task> task = PendingTask();
  std::vector<std::string> locks;
  // As many attempts as a task remembers, ended in all the ways there are.
  for (size_t i = 0; i <= limits::kSpentLocks; ++i) {
    locks.push_back(std::string(31, 'e') + static_cast<char>('0' + i));
    ASSERT_TRUE(Apply(task, MakeCommand(Start{.force = true}, locks.back()), kNow).outcome.ok());
    for (const std::string& old : locks) {
      if (old == locks.back()) continue;
      const Transition late = Apply(task, MakeCommand(Start{.ignore_lock = true}, old), kNow);
      EXPECT_EQ(late.outcome.reason, Reason::kLockLost) << old;
    }
    switch (i % 3) {
      case 0: Apply(task, MakeCommand(Fail{}, locks.back()), kNow); break;
      case 1: Apply(task, MakeCommand(Release{}, locks.back()), kNow); break;
      default: Apply(task, MakeCommand(Succeed{}, locks.back()), kNow); break;
    }
    const Start again = {.ignore_lock = true, .force = true};
    for (const std::string& old : locks) {
      EXPECT_EQ(Apply(task, MakeCommand(again, old), kNow).outcome.reason, Reason::kLockLost);
    }
  }
  EXPECT_EQ(task->fence, static_cast<int64_t>(limits::kSpentLocks) + 1);
}

TEST(StartTest, ALockStaysKnownThroughResetAndIgnore) {
  for (const Action& action : {Action(Reset{.force = true}), Action(Ignore{})}) {
    std::optional<Task> task = RunningTask();
    ASSERT_TRUE(Apply(task, MakeCommand(action), kNow).outcome.ok());
    if (task->status == Status::kIgnored) Apply(task, MakeCommand(Reset{}, kOldToken), kNow);
    const Transition late = Apply(task, MakeCommand(Start{}, kOwnToken), kNow);
    EXPECT_EQ(late.outcome.reason, Reason::kLockLost);
    EXPECT_EQ(task->fence, 1);
    EXPECT_TRUE(Apply(task, MakeCommand(Start{}, std::string(32, 'f')), kNow).outcome.ok());
  }
}

TEST(StartTest, TheTokenOfCreateTakesNoPlaceAmongTheLocks) {
  std::optional<Task> task = PendingTask();
  ASSERT_TRUE(Apply(task, MakeCommand(Start{}), kNow).outcome.ok());
  EXPECT_TRUE(task->spent_locks.empty());
}

// A policy that allows fewer attempts than there have been.
TEST(StartTest, NoAttemptBeginsBeyondWhatIsAllowedByNow) {
  std::optional<Task> task = EndedTask(Status::kFailed, ErrorKind::kFailed, 2);
  task->max_attempts = 0;
  Command start = MakeCommand(Start{});
  auto policy = std::make_shared<Policy>();
  policy->max_attempts = 2;
  start.policy = policy;
  const Transition refused = Apply(task, start, kNow);
  EXPECT_EQ(refused.outcome.reason, Reason::kTaskExhausted);
  EXPECT_TRUE(refused.changed);
  EXPECT_EQ(task->status, Status::kExhausted);
  EXPECT_EQ(task->attempts, 2);
}

TEST(ReleaseTest, AnAttemptByForceLeavesNoneBehindForOthers) {
  std::optional<Task> task = EndedTask(Status::kExhausted, ErrorKind::kFailed, kMaxAttempts);
  ASSERT_TRUE(Apply(task, MakeCommand(Start{.force = true}), kNow).outcome.ok());
  ASSERT_EQ(task->attempts, kMaxAttempts + 1);
  ASSERT_TRUE(Apply(task, MakeCommand(Release{}), kNow).outcome.ok());
  EXPECT_EQ(task->status, Status::kExhausted);
  EXPECT_EQ(task->attempts, kMaxAttempts);
  // The same answer again.
  const Transition again = Apply(task, MakeCommand(Release{}), kNow);
  EXPECT_TRUE(again.outcome.ok());
  EXPECT_FALSE(again.changed);
}

TEST(ReleaseTest, AnUndeliveredTaskGoesBackOnlyIfNothingHasHappenedSince) {
  std::optional<Task> task = RunningTask();
  const Release undelivered = {.undelivered = task->update_time};
  std::optional<Task> renewed = task;
  ASSERT_TRUE(Apply(renewed, MakeCommand(Heartbeat{}, kOwnToken), kNow).outcome.ok());
  const Transition late = Apply(renewed, MakeCommand(undelivered, kOwnToken), kNow);
  EXPECT_EQ(late.outcome.reason, Reason::kLockLost);
  EXPECT_FALSE(late.changed);
  ASSERT_TRUE(Apply(task, MakeCommand(undelivered, kOwnToken), kNow).outcome.ok());
  EXPECT_EQ(task->status, Status::kPending);
  EXPECT_EQ(task->attempts, 0);
}

TEST(ApplyTest, SaysHowAnAttemptEnded) {
  const auto end = [](std::optional<Task> task, const Action& action, std::string token) {
    return Apply(task, MakeCommand(action, std::move(token)), kNow).ended;
  };
  Task over = RunningTask();
  over.lock_expire_time = over.alarm_time = kNow;
  EXPECT_EQ(end(RunningTask(), Succeed{}, kOwnToken), AttemptEnd::kSucceeded);
  EXPECT_EQ(end(RunningTask(), Fail{}, kOwnToken), AttemptEnd::kWentWrong);
  EXPECT_EQ(end(over, Expire{}, kOtherToken), AttemptEnd::kWentWrong);
  EXPECT_EQ(end(over, Start{}, kOtherToken), AttemptEnd::kWentWrong);
  EXPECT_EQ(end(over, Reset{}, kOtherToken), AttemptEnd::kWentWrong);
  for (const Action& neither : {Action(Release{}), Action(Heartbeat{})}) {
    EXPECT_EQ(end(RunningTask(), neither, kOwnToken), AttemptEnd::kNone);
  }
  EXPECT_EQ(end(RunningTask(), Start{.ignore_lock = true}, kOtherToken), AttemptEnd::kNone);
  EXPECT_EQ(end(RunningTask(), Delete{.force = true}, kOtherToken), AttemptEnd::kNone);
  EXPECT_EQ(end(EndedTask(Status::kFailed, ErrorKind::kFailed), Start{}, kOtherToken),
            AttemptEnd::kNone);
}

TEST(HeartbeatTest, RenewsByTheSameLeaseFromNow) {
  std::optional<Task> task = RunningTask();
  ASSERT_TRUE(Apply(task, MakeCommand(Heartbeat{}, kOwnToken), kNow).outcome.ok());
  EXPECT_EQ(task->lock_expire_time, kNow + kLease);
  EXPECT_EQ(task->lock_time, kStart);
  EXPECT_EQ(task->update_time, kNow);
  EXPECT_EQ(task->data, R"({"n":1})");
}

TEST(HeartbeatTest, MayChangeTheLeaseAndSaveData) {
  std::optional<Task> task = RunningTask();
  const Heartbeat heartbeat = {.lease = absl::Seconds(3), .data = R"({"n":2})"};
  ASSERT_TRUE(Apply(task, MakeCommand(heartbeat, kOwnToken), kNow).outcome.ok());
  EXPECT_EQ(task->lock_expire_time, kNow + absl::Seconds(3));
  EXPECT_EQ(task->data, R"({"n":2})");
  // The next one renews by what this one asked for.
  ASSERT_TRUE(Apply(task, MakeCommand(Heartbeat{}, kOwnToken), kNow).outcome.ok());
  EXPECT_EQ(task->lease, absl::Seconds(3));
}

TEST(HeartbeatTest, MovesTheAlarmOnlyToAnEarlierEnd) {
  std::optional<Task> task = RunningTask();
  ASSERT_TRUE(Apply(task, MakeCommand(Heartbeat{}, kOwnToken), kNow).outcome.ok());
  EXPECT_EQ(task->alarm_time, kStart + kLease);
  const Heartbeat shorter = {.lease = absl::Seconds(3)};
  ASSERT_TRUE(Apply(task, MakeCommand(shorter, kOwnToken), kNow).outcome.ok());
  EXPECT_EQ(task->alarm_time, kNow + absl::Seconds(3));
}

TEST(SucceedTest, LeavesAttemptsErrorsAndDataUnlessDataIsSent) {
  std::optional<Task> task = RunningTask(2);
  task->errors = EndedTask(Status::kFailed, ErrorKind::kFailed).errors;
  const Task before = *task;
  ASSERT_TRUE(Apply(task, MakeCommand(Succeed{}, kOwnToken), kNow).outcome.ok());
  EXPECT_EQ(task->attempts, 2);
  EXPECT_EQ(task->errors, before.errors);
  EXPECT_EQ(task->data, before.data);
  EXPECT_EQ(task->lock_expire_time, absl::UnixEpoch());
  task = before;
  ASSERT_TRUE(Apply(task, MakeCommand(Succeed{.data = "{}"}, kOwnToken), kNow).outcome.ok());
  EXPECT_EQ(task->data, "{}");
}

TEST(FailTest, RecordsTheErrorAndWaitsForTheBackoff) {
  std::optional<Task> task = RunningTask(2);
  Command command = MakeCommand(Fail{.message = "no", .traceback = "at line 1"}, kOwnToken);
  command.policy = PolicyWith({.backoff = {.initial = absl::Seconds(10)}});
  ASSERT_TRUE(Apply(task, command, kNow).outcome.ok());
  EXPECT_EQ(task->status, Status::kFailed);
  EXPECT_EQ(task->available_time, kNow + absl::Seconds(20));
  EXPECT_EQ(task->data, R"({"n":1})");
  const TaskError expected = {.attempt = 2,
                              .fence = 2,
                              .time = kNow,
                              .worker = "worker-1",
                              .kind = ErrorKind::kFailed,
                              .message = "no",
                              .traceback = "at line 1"};
  EXPECT_EQ(task->errors, std::vector<TaskError>{expected});
}

TEST(FailTest, ItsOwnDelayReplacesTheBackoffAndItsDataIsKept) {
  std::optional<Task> task = RunningTask();
  Command command =
      MakeCommand(Fail{.retry_delay = absl::Seconds(1), .data = R"({"half":1})"}, kOwnToken);
  command.policy = PolicyWith({.backoff = {.initial = absl::Seconds(10)}});
  ASSERT_TRUE(Apply(task, command, kNow).outcome.ok());
  EXPECT_EQ(task->available_time, kNow + absl::Seconds(1));
  EXPECT_EQ(task->data, R"({"half":1})");
}

TEST(FailTest, CutsLongTextsAndForgetsTheOldestErrors) {
  std::optional<Task> task = RunningTask();
  task->max_attempts = 100;
  const int rounds = static_cast<int>(limits::kErrors) + 3;
  for (int i = 1; i <= rounds; ++i) {
    const Fail fail = {.message = std::string(limits::kMessageBytes + 1, 'm'),
                       .traceback = std::string(limits::kTracebackBytes + 1, 't')};
    ASSERT_TRUE(Apply(task, MakeCommand(fail, task->lock), kNow).outcome.ok());
    ASSERT_TRUE(Apply(task, MakeCommand(Start{}, absl::StrCat("token-", i)), kNow).outcome.ok());
  }
  ASSERT_EQ(task->errors.size(), limits::kErrors);
  EXPECT_EQ(task->errors.front().attempt, 4);
  EXPECT_EQ(task->errors.back().attempt, rounds);
  EXPECT_LE(task->errors.back().message.size(), limits::kMessageBytes);
  EXPECT_LE(task->errors.back().traceback.size(), limits::kTracebackBytes);
}

TEST(FailTest, CountsAgainstThePolicyWhereTheTaskSaysNothing) {
  std::optional<Task> task = RunningTask(2);
  task->max_attempts = 0;
  Command command = MakeCommand(Fail{}, kOwnToken);
  command.policy = PolicyWith({.max_attempts = 2});
  ASSERT_TRUE(Apply(task, command, kNow).outcome.ok());
  EXPECT_EQ(task->status, Status::kExhausted);
}

TEST(ReleaseTest, GivesTheAttemptBackButNotTheFence) {
  std::optional<Task> task = RunningTask(2);
  ASSERT_TRUE(
      Apply(task, MakeCommand(Release{.delay = absl::Seconds(9)}, kOwnToken), kNow).outcome.ok());
  EXPECT_EQ(task->attempts, 1);
  EXPECT_EQ(task->fence, 2);
  EXPECT_EQ(task->available_time, kNow + absl::Seconds(9));
  ASSERT_EQ(task->errors.size(), 1u);
  EXPECT_EQ(task->errors[0].kind, ErrorKind::kReleased);
}

TEST(ExpireTest, WaitsForTheBackoffToo) {
  std::optional<Task> task = RunningTask();
  Command command = MakeCommand(Expire{});
  command.policy = PolicyWith({.backoff = {.initial = absl::Seconds(10), .jitter = 1}});
  command.random = 0.5;
  ASSERT_TRUE(Apply(task, command, kStart + kLease).outcome.ok());
  EXPECT_EQ(task->status, Status::kFailed);
  EXPECT_EQ(task->available_time, kStart + kLease + absl::Seconds(5));
}

TEST(ExpireTest, PutsTheAlarmOfARenewedLeaseOff) {
  std::optional<Task> task = RunningTask();
  ASSERT_TRUE(Apply(task, MakeCommand(Heartbeat{}, kOwnToken), kNow).outcome.ok());
  const Task before = *task;
  ASSERT_TRUE(Apply(task, MakeCommand(Expire{}), kStart + kLease).changed);
  Task expected = before;
  expected.alarm_time = before.lock_expire_time;
  EXPECT_EQ(*task, expected);
}

TEST(ExpireTest, MakesATaskClaimableWhoseTimeHasCome) {
  std::optional<Task> task = RunningTask();
  const Fail fail = {.retry_delay = absl::Seconds(10)};
  ASSERT_TRUE(Apply(task, MakeCommand(fail, kOwnToken), kNow).outcome.ok());
  EXPECT_EQ(task->alarm_time, kNow + absl::Seconds(10));
  EXPECT_FALSE(Claimable(*task));
  Task expected = *task;
  expected.alarm_time = absl::UnixEpoch();
  ASSERT_TRUE(Apply(task, MakeCommand(Expire{}), kNow + absl::Seconds(10)).changed);
  EXPECT_EQ(*task, expected);
  EXPECT_TRUE(Claimable(*task));
}

TEST(IgnoreTest, FencesTheHolderOutAndRecordsIt) {
  std::optional<Task> task = RunningTask();
  ASSERT_TRUE(Apply(task, MakeCommand(Ignore{}), kNow).outcome.ok());
  EXPECT_EQ(task->errors.back().kind, ErrorKind::kReleased);
  for (const Action& action : {Action(Heartbeat{}), Action(Succeed{}), Action(Fail{})}) {
    EXPECT_EQ(Apply(task, MakeCommand(action, kOwnToken), kNow).outcome.reason, Reason::kLockLost);
  }
}

TEST(IgnoreTest, ARepeatedOneIsRecognisedThoughTheTaskHasChangedByIt) {
  std::optional<Task> task = PendingTask();
  const Command command = MakeCommand(Ignore{.as_of = kStart});
  ASSERT_TRUE(Apply(task, command, kNow).changed);
  const Transition again = Apply(task, command, kNow + absl::Seconds(1));
  EXPECT_TRUE(again.outcome.ok());
  EXPECT_FALSE(again.changed);
}

TEST(ResetTest, BeginsAgainAtOnceWithNoAttemptCounted) {
  std::optional<Task> task = EndedTask(Status::kExhausted, ErrorKind::kFailed, kMaxAttempts);
  task->available_time = kNow + absl::Hours(1);
  ASSERT_TRUE(Apply(task, MakeCommand(Reset{}), kNow).outcome.ok());
  EXPECT_EQ(task->attempts, 0);
  EXPECT_EQ(task->fence, kMaxAttempts);
  EXPECT_EQ(task->available_time, kNow);
  EXPECT_EQ(task->errors.size(), 1u);
}

TEST(KeepInnermostEndTest, CutsBetweenCharacters) {
  EXPECT_EQ(KeepInnermostEnd("", 10), "");
  EXPECT_EQ(KeepInnermostEnd("0123456789", 10), "0123456789");
  EXPECT_EQ(KeepInnermostEnd("0123456789X", 10), "…456789X");
  // Four-byte characters: only one fits into seven bytes.
  EXPECT_EQ(KeepInnermostEnd("𝄞𝄞𝄞𝄞", 10), "…𝄞");
  EXPECT_EQ(KeepInnermostEnd("𝄞𝄞𝄞𝄞", 11), "…𝄞𝄞");
}

}  // namespace
}  // namespace tracker::domain::testing
