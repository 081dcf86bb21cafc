// Apply and Get: what is asked of tasks, and that it lasts.
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "src/base/limits.h"
#include "src/base/token.h"
#include "src/domain/transition.h"
#include "tests/conformance/store_test.h"

namespace tracker::store {
namespace {

using domain::Command;
using domain::Create;
using domain::Delete;
using domain::Expire;
using domain::Fail;
using domain::Heartbeat;
using domain::Ignore;
using domain::Outcome;
using domain::Reason;
using domain::Release;
using domain::Reset;
using domain::Start;
using domain::Status;
using domain::Succeed;
using domain::Task;
using domain::TaskKey;

class ApplyTest : public StoreTest {};
INSTANTIATE_FOR_ALL_STORES(ApplyTest);

Task WithoutLock(Task task) {
  task.lock.clear();
  return task;
}

void ExpectSame(const Outcome& actual, const Outcome& expected) {
  EXPECT_EQ(actual.reason, expected.reason);
  EXPECT_EQ(actual.message, expected.message);
  EXPECT_EQ(actual.task, expected.task);
  EXPECT_EQ(actual.now, expected.now);
  EXPECT_EQ(actual.retry_after, expected.retry_after);
}

TEST_P(ApplyTest, TheWayOfATask) {
  const std::string lock = NewLockToken();
  const Outcome created =
      Apply(Make("a", Create{.data = R"({"n": 1})", .priority = 3, .max_attempts = 2}));
  ASSERT_OK(created);
  EXPECT_EQ(created.task->status, Status::kPending);
  EXPECT_EQ(created.task->create_time, created.now);

  const Outcome started = Apply(Make("a", Start{.worker = "w", .lease = absl::Seconds(30)}, lock));
  ASSERT_OK(started);
  EXPECT_EQ(started.task->lock, lock);
  EXPECT_EQ(started.task->fence, 1);
  EXPECT_EQ(started.task->lock_expire_time, started.now + absl::Seconds(30));

  const Outcome refused = Apply(Make("a", Start{.worker = "other"}));
  EXPECT_EQ(refused.reason, Reason::kTaskLocked);
  EXPECT_EQ(refused.task->worker, "w");
  EXPECT_EQ(refused.task->lock, "");
  EXPECT_EQ(refused.task->lock_expire_time, started.task->lock_expire_time);
  ASSERT_TRUE(refused.retry_after.has_value());
  EXPECT_EQ(refused.now + *refused.retry_after, started.task->lock_expire_time);

  Advance(absl::Seconds(20));
  const Outcome renewed = Apply(Make("a", Heartbeat{.data = R"({"n": 2})"}, lock));
  ASSERT_OK(renewed);
  EXPECT_EQ(renewed.task->lock_expire_time, renewed.now + absl::Seconds(30));
  EXPECT_GE(renewed.now, started.now + absl::Seconds(20));

  const Outcome succeeded = Apply(Make("a", Succeed{.data = R"({"n": 3})"}, lock));
  ASSERT_OK(succeeded);
  EXPECT_EQ(Apply(Make("a", Start{})).reason, Reason::kTaskSucceeded);

  const Outcome got = Get("a");
  ASSERT_OK(got);
  EXPECT_EQ(*got.task, *succeeded.task);
  EXPECT_EQ(got.task->data, R"({"n": 3})");
  EXPECT_EQ(got.task->priority, 3);
  EXPECT_EQ(got.task->max_attempts, 2);
  EXPECT_GE(got.now, succeeded.now);

  ASSERT_OK(Apply(Make("a", Delete{})));
  EXPECT_EQ(Get("a").reason, Reason::kTaskNotFound);
  EXPECT_EQ(Apply(Make("a", Start{})).reason, Reason::kTaskNotFound);
}

TEST_P(ApplyTest, NothingToDoIsDone) {
  EXPECT_TRUE(store().Apply({}).empty());
  EXPECT_GE(store().WriterLanes(), 1);
  EXPECT_OK(store().Ping());
}

TEST_P(ApplyTest, WhatWasAnsweredIsThereAfterReopening) {
  const std::string lock = NewLockToken();
  CreateAll({"a", "b"});
  const Outcome started = Apply(Make("a", Start{.worker = "w"}, lock));
  ASSERT_OK(started);
  Reopen();
  EXPECT_EQ(*Get("a").task, WithoutLock(*started.task));
  EXPECT_EQ(Apply(Make("a", Start{})).reason, Reason::kTaskLocked);
  // Repeated, as by a caller who never got the answer: the same answer.
  const Outcome again = Apply(Make("a", Start{.worker = "w"}, lock));
  ASSERT_OK(again);
  EXPECT_EQ(*again.task, *started.task);

  const Command fail = Make("a", Fail{.message = "no"}, lock);
  const Outcome failed = Apply(fail);
  ASSERT_OK(failed);
  Reopen();
  EXPECT_EQ(*Apply(fail).task, *failed.task);
  EXPECT_EQ(Get("a").task->errors.size(), 1u);
  const std::vector<StatusCount> expected = {{kNamespace, Status::kPending, 1},
                                             {kNamespace, Status::kFailed, 1}};
  EXPECT_EQ(Value(store().Count(kNamespace)), expected);
}

TEST_P(ApplyTest, CommandsOnOneTaskTakeEffectInTheirOrder) {
  const std::string first = NewLockToken(), second = NewLockToken();
  const std::vector<Outcome> outcomes = Apply({
      Make("a", Create{}),
      Make("z", Start{}),
      Make("a", Create{}),
      Make("a", Start{.worker = "1"}, first),
      Make("a", Start{.worker = "2"}, second),
      Make("a", Release{}, first),
      Make("b", Start{.create_if_missing = true}),
      Make("a", Start{.worker = "2"}, second),
      Make("a", Succeed{}, first),
      Make("a", Succeed{}, second),
      Make("a", Succeed{}, second),
  });
  std::vector<Reason> reasons;
  for (const Outcome& outcome : outcomes) reasons.push_back(outcome.reason);
  const std::vector<Reason> expected = {
      Reason::kOk,         Reason::kTaskNotFound, Reason::kTaskExists, Reason::kOk,
      Reason::kTaskLocked, Reason::kOk,           Reason::kOk,         Reason::kOk,
      Reason::kLockLost,   Reason::kOk,           Reason::kOk};
  EXPECT_EQ(reasons, expected);
  const Outcome a = Get("a");
  EXPECT_EQ(a.task->status, Status::kSucceeded);
  EXPECT_EQ(a.task->fence, 2);
  EXPECT_EQ(a.task->worker, "2");
}

TEST_P(ApplyTest, MadeAndDeletedWithinOneBatch) {
  const std::vector<Outcome> outcomes =
      Apply({Make("a", Create{}), Make("a", Delete{}), Make("b", Create{})});
  for (const Outcome& outcome : outcomes) EXPECT_OK(outcome);
  EXPECT_EQ(Get("a").reason, Reason::kTaskNotFound);
  EXPECT_OK(Get("b"));
}

TEST_P(ApplyTest, DeletedAndMadeAnewWithinOneBatchIsANewTask) {
  ASSERT_OK(Apply(Make("a", Create{.data = "{}", .priority = 1, .max_attempts = 1})));
  const std::string lock = NewLockToken();
  ASSERT_OK(Apply(Make("a", Start{.worker = "w"}, lock)));
  ASSERT_OK(Apply(Make("a", Fail{.message = "no", .no_retry = true}, lock)));
  Advance(absl::Seconds(1));
  const std::vector<Outcome> outcomes =
      Apply({Make("a", Delete{}),
             Make("a", Create{.data = R"({"new":1})", .priority = 2, .max_attempts = 5})});
  ASSERT_OK(outcomes[0]);
  ASSERT_OK(outcomes[1]);
  EXPECT_EQ(*Get("a").task, *outcomes[1].task);
  const std::vector<StatusCount> expected = {{kNamespace, Status::kPending, 1}};
  EXPECT_EQ(Value(store().Count(kNamespace)), expected);
}

TEST_P(ApplyTest, TheSameIdInTwoNamespacesIsTwoTasks) {
  ASSERT_OK(Apply(Make("a", Create{.priority = 1}, "", "one")));
  ASSERT_OK(Apply(Make("a", Create{.priority = 2}, "", "two")));
  EXPECT_EQ(store().Get({"one", "a"}).task->priority, 1);
  EXPECT_EQ(store().Get({"two", "a"}).task->priority, 2);
}

TEST_P(ApplyTest, ALeaseThatIsOverIsTakenUpAgain) {
  const std::string lost = NewLockToken();
  ASSERT_OK(Apply(
      Make("a", Start{.worker = "crashed", .lease = absl::Seconds(10), .create_if_missing = true},
           lost)));
  Advance(absl::Seconds(9));
  EXPECT_EQ(Apply(Make("a", Start{})).reason, Reason::kTaskLocked);
  Advance(absl::Seconds(1));
  const Outcome taken = Apply(Make("a", Start{.worker = "next"}));
  ASSERT_OK(taken);
  EXPECT_EQ(taken.task->fence, 2);
  const Outcome got = Get("a");
  ASSERT_EQ(got.task->errors.size(), 1u);
  EXPECT_EQ(got.task->errors[0].kind, domain::ErrorKind::kLeaseExpired);
  EXPECT_EQ(got.task->errors[0].worker, "crashed");
  EXPECT_EQ(Apply(Make("a", Succeed{}, lost)).reason, Reason::kLockLost);
}

TEST_P(ApplyTest, ALateCopyOfAnOldStartBeginsNothingWhateverCameSince) {
  CreateAll({"a"});
  std::vector<std::string> locks;
  for (int i = 0; i < 3; ++i) {
    locks.push_back(NewLockToken());
    ASSERT_OK(Apply(Make("a", domain::Start{}, locks.back())));
    ASSERT_OK(Apply(Make("a", domain::Release{}, locks.back())));
    ASSERT_OK(Apply(Make("a", domain::Reset{})));
  }
  Reopen();
  for (const std::string& lock : locks) {
    EXPECT_EQ(Apply(Make("a", domain::Start{.ignore_lock = true, .force = true}, lock)).reason,
              domain::Reason::kLockLost);
  }
  EXPECT_EQ(Get("a").task->fence, 3);
  EXPECT_OK(Apply(Make("a", domain::Start{})));
}

TEST_P(ApplyTest, TheRefusalThatChangesSomethingIsKept) {
  ASSERT_OK(Apply(Make("a", Create{.max_attempts = 1})));
  ASSERT_OK(Apply(Make("a", Start{.lease = absl::Seconds(1)})));
  Advance(absl::Seconds(1));
  EXPECT_EQ(Apply(Make("a", Start{})).reason, Reason::kTaskExhausted);
  Reopen();
  EXPECT_EQ(Get("a").task->status, Status::kExhausted);
  EXPECT_EQ(Get("a").task->errors.size(), 1u);
}

TEST_P(ApplyTest, OddTextsComeBackByteForByte) {
  const std::vector<std::string> texts = {
      "plain",
      "'; DROP TABLE task; --",
      R"(quotes ' " ` backslash \ \\ \' \" percent % under _ braces {a,"b",NULL} (x) [y])",
      "NULL",
      "null",
      "{}",
      " leading and trailing ",
      "four bytes 𝄞𝄞 and 漢字 and é, decomposed e\xCC\x81",
      "$1 ?1 :x @y",
      "\\N \\. \\x41",
      std::string(limits::kIdBytes, '\''),
      std::string(limits::kIdBytes, '\\'),
  };
  for (const std::string& text : texts) {
    SCOPED_TRACE(text);
    const std::string lock = NewLockToken();
    const std::string worker = text.substr(0, limits::kWorkerBytes);
    const std::string data = R"({ "k\"\\%": "𝄞 ' \u0041", "n": 1e400, "n":   1 })";
    ASSERT_OK(Apply(Make(text, Create{.data = data})));
    ASSERT_OK(Apply(Make(text, Start{.worker = worker}, lock)));
    const std::string report = text + "\n\ttab\x1b \r\n";
    ASSERT_OK(Apply(Make(text, Fail{.message = report, .traceback = report}, lock)));
    const Outcome got = Get(text);
    ASSERT_OK(got);
    EXPECT_EQ(got.task->key.id, text);
    EXPECT_EQ(got.task->worker, worker);
    EXPECT_EQ(got.task->data, data);
    ASSERT_EQ(got.task->errors.size(), 1u);
    EXPECT_EQ(got.task->errors[0].message, report);
    EXPECT_EQ(got.task->errors[0].traceback, report);
    EXPECT_EQ(got.task->errors[0].worker, worker);
  }
}

TEST_P(ApplyTest, DataOfTheLargestSizeAndManyAttempts) {
  const std::string data =
      absl::StrCat(R"({"x":")", std::string(limits::kDataBytes - 8, 'x'), "\"}");
  ASSERT_EQ(data.size(), limits::kDataBytes);
  ASSERT_OK(Apply(Make("a", Create{.data = data, .max_attempts = 1000})));
  for (int i = 0; i < 12; ++i) {
    const std::string lock = NewLockToken();
    const Fail fail = {.message = std::string(limits::kMessageBytes, 'm'),
                       .traceback = std::string(limits::kTracebackBytes, '\\')};
    const std::vector<Outcome> outcomes = Apply({Make("a", Start{}, lock), Make("a", fail, lock)});
    ASSERT_OK(outcomes[0]);
    ASSERT_OK(outcomes[1]);
  }
  const Outcome got = Get("a");
  ASSERT_OK(got);
  EXPECT_EQ(got.task->data, data);
  EXPECT_EQ(got.task->errors.size(), limits::kErrors);
  EXPECT_EQ(got.task->errors.back().attempt, 12);
}

TEST_P(ApplyTest, ABatchOfTheLargestSize) {
  std::vector<std::string> ids;
  for (size_t i = 0; i < limits::kBatchOperations; ++i) ids.push_back(absl::StrCat("task-", i));
  CreateAll(ids);
  std::vector<Command> commands;
  for (const std::string& id : ids) commands.push_back(Make(id, Start{}));
  for (const Outcome& outcome : Apply(commands)) EXPECT_OK(outcome);
  const std::vector<StatusCount> expected = {
      {kNamespace, Status::kInProgress, static_cast<int64_t>(ids.size())}};
  EXPECT_EQ(Value(store().Count(kNamespace)), expected);
}

TEST_P(ApplyTest, OneRowThatTheDatabaseRefusesStopsNoOther) {
  ExecuteSql(
      "CREATE TRIGGER refuse BEFORE INSERT ON task WHEN NEW.id LIKE 'poison%' "
      "BEGIN SELECT RAISE(ABORT, 'poison'); END",
      "ALTER TABLE tracker.task ADD CHECK (id NOT LIKE 'poison%')");
  std::vector<Command> commands;
  for (int i = 0; i < 40; ++i) {
    const bool poison = i == 7 || i == 8 || i == 39;
    commands.push_back(Make(absl::StrCat(poison ? "poison-" : "good-", i), Create{}));
  }
  const std::vector<Outcome> outcomes = Apply(commands);
  int refused = 0;
  for (size_t i = 0; i < outcomes.size(); ++i) {
    const bool poison = commands[i].key.id[0] == 'p';
    refused += poison ? 1 : 0;
    EXPECT_EQ(outcomes[i].reason, poison ? Reason::kInternal : Reason::kOk) << i;
    EXPECT_EQ(Get(commands[i].key.id).ok(), !poison);
  }
  EXPECT_EQ(refused, 3);
  EXPECT_EQ(Total(Value(store().Count(kNamespace))), 37);
}

TEST_P(ApplyTest, ARowThatTrackerDidNotWriteStopsNoOther) {
  CreateAll({"bad", "good"});
  ExecuteSql("UPDATE task SET errors = '[1]' WHERE id = 'bad'",
             "UPDATE tracker.task SET errors = '[1]' WHERE id = 'bad'");
  const std::vector<Outcome> outcomes = Apply({Make("bad", Start{}), Make("good", Start{})});
  EXPECT_EQ(outcomes[0].reason, Reason::kInternal);
  EXPECT_OK(outcomes[1]);
  EXPECT_EQ(Get("bad").reason, Reason::kInternal);
}

// The store against the pure function: the same commands, in batches, on the same clock.
class Differential {
 public:
  explicit Differential(uint64_t seed) : random_(seed) {}

  std::vector<Command> NextBatch() {
    std::vector<Command> commands;
    const int size = 1 + Pick(12);
    for (int i = 0; i < size; ++i) commands.push_back(NextCommand());
    return commands;
  }

  void Check(const std::vector<Command>& commands, const std::vector<Outcome>& outcomes) {
    for (size_t i = 0; i < commands.size(); ++i) {
      SCOPED_TRACE(absl::StrCat("command ", i, ": ", domain::ActionName(commands[i].action)));
      std::optional<Task>& task = tasks_[commands[i].key];
      const domain::Transition expected = domain::Apply(task, commands[i], outcomes[i].now);
      ExpectSame(outcomes[i], expected.outcome);
    }
  }

  const std::map<TaskKey, std::optional<Task>>& tasks() const { return tasks_; }
  int Pick(int n) { return std::uniform_int_distribution<int>(0, n - 1)(random_); }

 private:
  Command NextCommand() {
    Command command;
    command.key = {Pick(2) == 0 ? "n" : "m", absl::StrCat("task-", Pick(6))};
    // Few tokens, so that they meet again: held, spent, of another task.
    command.token = absl::StrCat("token-", Pick(30));
    command.random = Pick(100) / 100.0;
    auto policy = std::make_shared<domain::Policy>();
    policy->max_attempts = 3;
    policy->lease = absl::Seconds(30);
    policy->backoff.initial = absl::Seconds(Pick(2));
    policy->paused = Pick(20) == 0;
    command.policy = policy;
    const std::optional<Task>& task = tasks_[command.key];
    if (task && Pick(2) == 0) command.token = task->lock;
    std::optional<std::string> data;
    if (Pick(2) == 0) data = absl::StrCat(R"({"n": )", Pick(1000), "}");
    switch (Pick(14)) {
      case 0:
        command.action = Create{.data = data.value_or(""),
                                .priority = Pick(5) - 2,
                                .max_attempts = Pick(3),
                                .allow_existing = Pick(3) == 0};
        break;
      case 1:
      case 2:
      case 3:
      case 4:
        command.action = Start{.worker = absl::StrCat("w", Pick(3)),
                               .ignore_lock = Pick(5) == 0,
                               .force = Pick(4) == 0,
                               .create_if_missing = Pick(2) == 0};
        break;
      case 5: command.action = Heartbeat{.lease = absl::Seconds(5 + Pick(50)), .data = data}; break;
      case 6: command.action = Succeed{.data = data}; break;
      case 7:
      case 8:
        command.action =
            Fail{.message = "no 'way'", .traceback = "\\", .no_retry = Pick(6) == 0, .data = data};
        break;
      case 9: command.action = Release{.delay = absl::Seconds(Pick(3))}; break;
      case 10: command.action = Ignore{}; break;
      case 11: command.action = Reset{.force = Pick(2) == 0}; break;
      case 12: command.action = Delete{.force = Pick(2) == 0}; break;
      default: command.action = Expire{}; break;
    }
    return command;
  }

  std::mt19937_64 random_;
  std::map<TaskKey, std::optional<Task>> tasks_;
};

TEST_P(ApplyTest, AgreesWithTheStateMachineOnRandomBatches) {
  constexpr uint64_t kSeed = 42;
  std::printf("seed %llu\n", static_cast<unsigned long long>(kSeed));
  Differential differential(kSeed);
  for (int round = 0; round < 400 && !HasFailure(); ++round) {
    SCOPED_TRACE(absl::StrCat("round ", round));
    const std::vector<Command> commands = differential.NextBatch();
    differential.Check(commands, Apply(commands));
    Advance(absl::Milliseconds(differential.Pick(8000)));
    if (round % 100 == 99) Reopen();
  }
  for (const auto& [key, task] : differential.tasks()) {
    const Outcome got = store().Get(key);
    EXPECT_EQ(got.ok(), task.has_value());
    if (task) {
      EXPECT_EQ(got.task, WithoutLock(*task));
    }
  }
  for (const char* name_space : {"n", "m"}) {
    EXPECT_EQ(Value(store().Count(name_space)), Recount(store(), name_space));
  }
}

}  // namespace
}  // namespace tracker::store
