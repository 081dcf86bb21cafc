#include "src/store/batch.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "src/store/errors_json.h"
#include "tests/unit/task_builder.h"

namespace tracker::store {
namespace {

using domain::Command;
using domain::Outcome;
using domain::Reason;
using domain::Status;
using domain::Task;
using domain::testing::kNow;
using domain::testing::PendingTask;

Command On(const std::string& id, domain::Action action, std::string token = "token") {
  return {.key = {"n", id}, .token = std::move(token), .action = std::move(action)};
}

std::vector<const Command*> Pointers(const std::vector<Command>& commands) {
  std::vector<const Command*> pointers;
  for (const Command& command : commands) pointers.push_back(&command);
  return pointers;
}

std::vector<Reason> Reasons(Batch& batch) {
  std::vector<Reason> reasons;
  for (const Outcome& outcome : batch.TakeOutcomes()) reasons.push_back(outcome.reason);
  return reasons;
}

Task Pending(const std::string& id) {
  Task task = PendingTask();
  task.key = {"n", id};
  return task;
}

TEST(BatchTest, LocksEachTaskOnceInKeyOrder) {
  const std::vector<Command> commands = {On("b", domain::Start{}), On("a", domain::Start{}),
                                         On("b", domain::Succeed{}), On("A", domain::Start{})};
  const std::vector<const Command*> pointers = Pointers(commands);
  const Batch batch(pointers);
  const std::vector<domain::TaskKey> expected = {{"n", "A"}, {"n", "a"}, {"n", "b"}};
  EXPECT_EQ(batch.keys(), expected);
}

TEST(BatchTest, CommandsOnOneTaskSeeEachOther) {
  const std::vector<Command> commands = {
      On("a", domain::Start{}, "t1"), On("b", domain::Start{}, "t2"),
      On("a", domain::Start{}, "t3"), On("a", domain::Succeed{}, "t1"),
      On("a", domain::Start{}, "t4")};
  const std::vector<const Command*> pointers = Pointers(commands);
  Batch batch(pointers);
  batch.Load(Pending("a"));
  batch.Run(kNow);
  const std::vector<Reason> expected = {Reason::kOk, Reason::kTaskNotFound, Reason::kTaskLocked,
                                        Reason::kOk, Reason::kTaskSucceeded};
  EXPECT_EQ(Reasons(batch), expected);
  ASSERT_EQ(batch.rows().size(), 2u);
  EXPECT_TRUE(batch.rows()[0].changed);
  EXPECT_EQ(batch.rows()[0].after->status, Status::kSucceeded);
  EXPECT_FALSE(batch.rows()[1].changed);
}

TEST(BatchTest, DeltasAreTheDifferenceOfBeforeAndAfter) {
  const std::vector<Command> commands = {
      On("created", domain::Create{}),       On("started", domain::Start{}),
      On("deleted", domain::Delete{}),       On("never", domain::Create{}),
      On("never", domain::Delete{}),         On("refused", domain::Succeed{}),
      On("restarted", domain::Start{}, "t"), On("restarted", domain::Release{}, "t")};
  const std::vector<const Command*> pointers = Pointers(commands);
  Batch batch(pointers);
  for (const char* id : {"started", "deleted", "refused", "restarted"}) batch.Load(Pending(id));
  batch.Run(kNow);
  // One created, one started, one deleted; the others end as they began.
  const Batch::CountDeltas expected = {{{"n", Status::kPending}, -1},
                                       {{"n", Status::kInProgress}, 1}};
  EXPECT_EQ(batch.Deltas(), expected);
  // Created and deleted within the batch: nothing to write.
  EXPECT_FALSE(batch.rows()[2].changed);
}

TEST(BatchTest, AnExcludedTaskStopsNoOther) {
  const std::vector<Command> commands = {On("bad", domain::Create{}), On("good", domain::Create{}),
                                         On("bad", domain::Start{})};
  const std::vector<const Command*> pointers = Pointers(commands);
  Batch batch(pointers);
  batch.Exclude({"n", "bad"}, Reason::kInternal, "out of reach");
  batch.Run(kNow);
  EXPECT_FALSE(batch.rows()[0].changed);
  const std::vector<Outcome> outcomes = batch.TakeOutcomes();
  EXPECT_EQ(outcomes[0].reason, Reason::kInternal);
  EXPECT_EQ(outcomes[0].message, "out of reach");
  EXPECT_TRUE(outcomes[1].ok());
  EXPECT_EQ(outcomes[2].reason, Reason::kInternal);
}

TEST(BatchTest, AsksForThePrerequisitesThatItDoesNotLockAnyhow) {
  const std::vector<Command> commands = {
      {.key = {"load", "a"}, .action = domain::Start{.after = {"extract", "check"}}},
      {.key = {"load", "b"}, .action = domain::Start{.after = {"extract"}}},
      {.key = {"extract", "a"}, .action = domain::Succeed{}},
      {.key = {"load", "b"}, .action = domain::Start{.after = {"extract"}}}};
  const std::vector<const Command*> pointers = Pointers(commands);
  const Batch batch(pointers);
  const std::vector<domain::TaskKey> expected = {{"check", "a"}, {"extract", "b"}};
  EXPECT_EQ(batch.prerequisites(), expected);
}

TEST(BatchTest, APrerequisiteIsMetByWhatIsLoadedOrByACommandBefore) {
  const domain::TaskKey extract = {"extract", "a"};
  const auto start = [](std::string token) {
    return Command{.key = {"load", "a"},
                   .token = std::move(token),
                   .action = domain::Start{.after = {"check", "extract"}}};
  };
  const std::vector<Command> commands = {
      start("early"), {.key = extract, .token = "x", .action = domain::Succeed{}}, start("late")};
  Task running = domain::testing::RunningTask();
  running.key = extract;
  running.lock = "x";
  Task load = PendingTask();
  load.key = {"load", "a"};
  for (const bool checked : {false, true}) {
    const std::vector<const Command*> pointers = Pointers(commands);
    Batch batch(pointers);
    batch.Load(running);
    batch.Load(load);
    if (checked) batch.LoadSucceeded({"check", "a"});
    batch.Run(kNow);
    const std::vector<Outcome> outcomes = batch.TakeOutcomes();
    EXPECT_EQ(outcomes[0].reason, Reason::kTaskNotReady);
    using Names = std::vector<std::string>;
    EXPECT_EQ(outcomes[0].missing, checked ? Names{"extract"} : (Names{"check", "extract"}));
    EXPECT_EQ(outcomes[2].reason, checked ? Reason::kOk : Reason::kTaskNotReady);
  }
}

TEST(BatchTest, CountsTheAttemptsThatEndWhereThePolicySaysSo) {
  auto counts = std::make_shared<domain::Policy>();
  counts->pause_on_failure = domain::PauseOnFailure{};
  const auto end = [&](const std::string& id, domain::Action action) {
    Command command = On(id, std::move(action), domain::testing::kOwnToken);
    command.policy = counts;
    return command;
  };
  std::vector<Command> commands = {
      end("good", domain::Succeed{}),
      end("good", domain::Succeed{}),
      end("bad", domain::Fail{}),
      end("over", domain::Expire{}),
      end("renewed", domain::Expire{}),
      end("back", domain::Release{}),
      end("gone", domain::Ignore{}),
      end("over-too", domain::Start{}),
      On("uncounted", domain::Fail{}, domain::testing::kOwnToken),
  };
  commands[7].token = domain::testing::kOtherToken;
  const std::vector<const Command*> pointers = Pointers(commands);
  Batch batch(pointers);
  for (const domain::TaskKey& key : batch.keys()) {
    Task task = domain::testing::RunningTask();
    task.key = key;
    if (absl::StartsWith(key.id, "over")) task.lock_expire_time = task.alarm_time = kNow;
    if (key.id == "renewed") task.alarm_time = kNow;
    batch.Load(std::move(task));
  }
  batch.Run(kNow);
  EXPECT_EQ(batch.attempts(), (Batch::AttemptDeltas{{"n", {.ended = 4, .failed = 3}}}));
}

TEST(BatchTest, TellsWhoseDocumentsAreWanted) {
  const std::string& lock = domain::testing::kOwnToken;
  std::vector<Command> commands = {
      On("answer", domain::Heartbeat{}, lock), On("error", domain::Fail{}, lock),
      On("neither", domain::Heartbeat{}, lock), On("here", domain::Fail{}, lock)};
  for (Command& command : commands) command.wants_documents = command.key.id == "answer";
  const std::vector<const Command*> pointers = Pointers(commands);
  Batch batch(pointers);
  for (const domain::TaskKey& key : batch.keys()) {
    Task task = domain::testing::RunningTask();
    task.key = key;
    task.documents_left_out = key.id != "here";
    if (task.documents_left_out) task.data.clear();
    batch.Load(std::move(task));
  }
  const std::vector<domain::TaskKey> wanted = batch.WantedDocuments();
  ASSERT_EQ(wanted.size(), 2u);
  EXPECT_EQ(wanted[0].id, "answer");
  EXPECT_EQ(wanted[1].id, "error");
  for (const domain::TaskKey& key : wanted) batch.LoadDocuments(key, R"({"big":1})", {});
  batch.Run(kNow);
  const std::vector<Outcome> outcomes = batch.TakeOutcomes();
  for (size_t i = 0; i < outcomes.size(); ++i) {
    const bool left_out = commands[i].key.id == "neither";
    ASSERT_TRUE(outcomes[i].ok()) << commands[i].key.id;
    EXPECT_EQ(outcomes[i].truncated, left_out) << commands[i].key.id;
    EXPECT_EQ(outcomes[i].task->data.empty(), left_out) << commands[i].key.id;
  }
}

TEST(ErrorsJsonTest, RoundTrips) {
  EXPECT_EQ(EncodeErrors({}), "[]");
  EXPECT_EQ(DecodeErrors("[]")->size(), 0u);
  const std::vector<domain::TaskError> errors = {
      {.attempt = 1,
       .fence = 7,
       .time = kNow + absl::Microseconds(123456),
       .worker = "w",
       .kind = domain::ErrorKind::kLeaseExpired,
       .message = "quotes ' \" \\ % {} \n\t 𝄞",
       .traceback = std::string(40'000, 't')},
      {.attempt = 2, .fence = 8, .time = kNow, .kind = domain::ErrorKind::kReleased}};
  const auto decoded = DecodeErrors(EncodeErrors(errors));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(*decoded, errors);
}

TEST(ErrorsJsonTest, RefusesWhatItDidNotMake) {
  for (const char* bad : {"nonsense", "{}}", "[1]", "[{}]", R"([{"kind":"odd"}])"}) {
    EXPECT_EQ(DecodeErrors(bad).status().code(), absl::StatusCode::kDataLoss) << bad;
  }
}

}  // namespace
}  // namespace tracker::store
