// What is derived from the tasks, when somebody has changed tables by hand: whoever meets what no
// task stands behind goes on, Check finds it, and repair puts it right.
#include <gtest/gtest.h>

#include <atomic>
#include <pqxx/pqxx>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "src/service/reaper.h"
#include "tests/conformance/claim_store_test.h"

namespace tracker::store {
namespace {

using domain::Create;
using domain::Start;
using domain::Status;

// "ready orphan 3", ...: what Check says, in short.
std::vector<std::string> TextOf(const CheckReport& report) {
  constexpr const char* kNames[] = {"missing",   "orphan",   "stale",
                                    "duplicate", "miscount", "damage"};
  std::vector<std::string> texts;
  for (const Finding& finding : report.findings) {
    texts.push_back(absl::StrCat(finding.where, " ", kNames[static_cast<int>(finding.fault)], " ",
                                 finding.count));
    EXPECT_EQ(finding.examples.size(), std::min<size_t>(finding.count, limits::kFindingExamples));
  }
  std::sort(texts.begin(), texts.end());
  return texts;
}

class DerivedTest : public ClaimStoreTest {
 protected:
  using Texts = std::vector<std::string>;

  // The same statement for both.
  void Sql(const std::string& postgres) {
    ExecuteSql(absl::StrReplaceAll(postgres, {{"tracker.", ""}}), postgres);
  }
  Texts Check() { return TextOf(Value(store().Check({}))); }
  CheckReport Repair(Store& store) { return Value(store.Check({.repair = true})); }
  CheckReport Repair() { return Repair(store()); }
  // In progress, with a lease of that long.
  void StartAll(const Ids& ids, absl::Duration lease) {
    std::vector<domain::Command> commands;
    for (const std::string& id : ids) {
      commands.push_back(Make(id, Start{.lease = lease, .create_if_missing = true}));
    }
    for (const domain::Outcome& outcome : Apply(commands)) ASSERT_OK(outcome);
  }
};
INSTANTIATE_FOR_ALL_STORES(DerivedTest);

TEST_P(DerivedTest, AlarmsOfTasksThatAreGoneKeepNoLeaseFromEnding) {
  StartAll(Numbered("gone", 800), absl::Minutes(1));
  StartAll({"live"}, absl::Minutes(2));
  Sql("DELETE FROM tracker.task WHERE id LIKE 'gone%'");
  Advance(absl::Minutes(3));
  EXPECT_EQ(Value(store().ListDue({.limit = 500, .only_look = true})).size(), sqlite() ? 1 : 0);
  EXPECT_EQ(Value(service::ReapOnce(store(), 500)), 1);
  EXPECT_EQ(Get("live").task->status, Status::kFailed);
  EXPECT_TRUE(Value(store().ListDue(500)).empty());
  EXPECT_EQ(Value(service::ReapOnce(store(), 500)), 0);
}

TEST_P(DerivedTest, AlarmsThatTheTaskKnowsNothingOfAreRemoved) {
  StartAll(Numbered("stale", 600), absl::Minutes(1));
  StartAll({"live"}, absl::Minutes(2));
  Sql("UPDATE tracker.task SET alarm_us = 0, status = 40 WHERE id LIKE 'stale%'");
  Advance(absl::Minutes(3));
  EXPECT_EQ(Value(service::ReapOnce(store(), 500)), 1);
  EXPECT_TRUE(Value(store().ListDue(500)).empty());
}

// As 12,000 were seen to do: more than one look takes in.
TEST_P(DerivedTest, EntriesOfTasksThatAreGoneKeepNoTaskFromBeingClaimed) {
  CreateInOrder(Numbered("gone", 12'000));
  CreateInOrder({"live"});
  Sql("DELETE FROM tracker.task WHERE id LIKE 'gone%'");
  EXPECT_EQ(ClaimIds(5), Ids{"live"});
  if (sqlite()) return;
  // Whoever finds nothing clears the rest away.
  EXPECT_EQ(ClaimIds(5), Ids{});
  EXPECT_FALSE(HasClaimable());
}

TEST_P(DerivedTest, EntriesThatTheTaskKnowsNothingOfKeepNoTaskFromBeingClaimed) {
  CreateInOrder(Numbered("stale", 11'000));
  CreateInOrder({"live"});
  Sql("UPDATE tracker.task SET status = 40 WHERE id LIKE 'stale%'");
  EXPECT_EQ(ClaimIds(5), Ids{"live"});
}

// The same where the claim asks for an earlier step: whoever steps past them clears them away.
TEST_P(DerivedTest, EntriesOfTasksThatAreGoneAreClearedAwayByClaimsWithEarlierSteps) {
  CreateInOrder({"waits"});
  CreateInOrder(Numbered("gone", 12'000));
  CreateInOrder({"live"});
  const std::string lock = NewLockToken();
  ASSERT_OK(Apply(Make("live", Start{.create_if_missing = true}, lock, "earlier")));
  ASSERT_OK(Apply(Make("live", domain::Succeed{}, lock, "earlier")));
  Sql("DELETE FROM tracker.task WHERE id LIKE 'gone%'");
  // Step by step, until one has something or has come to the end.
  const auto claim = [&] {
    ClaimQuery query = QueryOf({OrderOf(5)});
    query.after = {"earlier"};
    for (int steps = 0; steps < 10; ++steps) {
      ClaimAnswer answer = Value(store().Claim(query));
      if (!answer.tasks.at(0).empty() || answer.next.empty()) return IdsOf(answer.tasks.at(0));
      query.from = answer.next;
    }
    return Ids{"no end"};
  };
  EXPECT_EQ(claim(), Ids{"live"});
  EXPECT_EQ(claim(), Ids{});
  for (const std::string& finding : Check()) EXPECT_FALSE(absl::StartsWith(finding, "ready"));
}

// More than a look takes in, and nothing wrong with them: what comes behind is not out of reach.
TEST_P(DerivedTest, TasksThatAreHeldKeepNoTaskBehindThemFromBeingClaimed) {
  if (sqlite()) GTEST_SKIP() << "SQLite holds no rows";
  CreateInOrder(Numbered("held", 10'100));
  CreateInOrder({"live"});
  pqxx::connection connection(url());
  pqxx::work stranger(connection);
  stranger.exec(
      "SELECT count(*) FROM (SELECT 1 FROM tracker.task WHERE id LIKE 'held%'"
      " FOR UPDATE) held");
  EXPECT_EQ(ClaimIds(5), Ids{"live"});
}

TEST_P(DerivedTest, AnEntryThatIsThereTwiceHandsItsTaskOutOnce) {
  if (sqlite()) GTEST_SKIP() << "its indexes are SQLite's";
  CreateInOrder({"a", "b"});
  Sql("INSERT INTO tracker.ready SELECT * FROM tracker.ready");
  const auto tasks = Claim(store(), QueryOf({OrderOf(2), OrderOf(2)}));
  EXPECT_EQ(IdsOf(tasks[0]), Ids{"a"});
  EXPECT_EQ(IdsOf(tasks[1]), Ids{"b"});
  EXPECT_EQ(Check(), Texts{});
}

TEST_P(DerivedTest, ListByUpdateTimePassesOverWhatNoTaskStandsBehind) {
  CreateAll(Numbered("gone", 300));
  CreateAll({"first"});
  Advance(absl::Seconds(1));
  CreateAll({"second", "stale"});
  StartAll({"held"}, absl::Hours(1));
  Sql("DELETE FROM tracker.task WHERE id LIKE 'gone%'");
  if (!sqlite()) {
    Sql("UPDATE tracker.idle SET update_us = 0 WHERE id = 'stale'");
    Sql("INSERT INTO tracker.idle SELECT * FROM tracker.idle");
    Sql("INSERT INTO tracker.alarm SELECT * FROM tracker.alarm");
    Sql("INSERT INTO tracker.alarm SELECT bucket, 1, namespace, 'first', true FROM tracker.alarm"
        " LIMIT 1");
  }
  for (const int limit : {1, 2, 100}) {
    const Ids ids = IdsOf(ListAll(
        store(), {.name_space = kNamespace, .order = Order::kUpdatedFirst, .limit = limit}));
    // What is stale is listed once more when it is repaired.
    EXPECT_EQ(Sorted(ids), sqlite() ? (Ids{"first", "held", "second", "stale"})
                                    : (Ids{"first", "held", "second"}));
    EXPECT_EQ(ids.back(), "first");
  }
  const Page filtered = Value(store().List(
      {.name_space = kNamespace, .statuses = {Status::kPending}, .order = Order::kUpdatedFirst}));
  EXPECT_EQ(filtered.tasks.size(), sqlite() ? 3 : 2);
  Repair();
  EXPECT_EQ(Check(), Texts{});
  EXPECT_EQ(ListAll(store(), {.name_space = kNamespace, .order = Order::kUpdatedFirst}).size(), 4);
}

TEST_P(DerivedTest, CheckFindsNothingWhereNothingIsWrong) {
  CreateInOrder(Numbered("t", 100));
  Claim(30);
  CreateAll({"later"});
  EXPECT_EQ(Check(), Texts{});
  const CheckReport repaired = Repair();
  EXPECT_EQ(TextOf(repaired), Texts{});
  EXPECT_EQ(repaired.repaired, 0);
}

TEST_P(DerivedTest, WrongCountersAreFoundAndPutRight) {
  CreateAll({"a", "b", "c"});
  StartAll({"d"}, absl::Hours(1));
  Sql("UPDATE tracker.task_count SET n = n + 5 WHERE status = 0");
  Sql("DELETE FROM tracker.task_count WHERE status = 10");
  EXPECT_EQ(Check(), Texts{"task_count miscount 2"});
  EXPECT_EQ(Value(store().Check({})).findings[0].examples[0], "n pending: 8 counted, 3 there");
  const CheckReport repaired = Repair();
  EXPECT_EQ(TextOf(repaired), Texts{"task_count miscount 2"});
  EXPECT_EQ(repaired.repaired, 2);
  EXPECT_EQ(repaired.skipped, 0);
  EXPECT_EQ(Check(), Texts{});
  EXPECT_EQ(Value(store().Count(kNamespace)),
            (std::vector<StatusCount>{{kNamespace, Status::kPending, 3},
                                      {kNamespace, Status::kInProgress, 1}}));
}

// Both would add the same difference.
TEST_P(DerivedTest, RepairsAtOnceCorrectTheCountersOnce) {
  CreateAll(Numbered("t", 200));
  Sql("UPDATE tracker.task_count SET n = n + 7");
  const std::unique_ptr<Store> other = OpenAnother();
  std::vector<std::thread> repairs;
  repairs.reserve(4);
  for (int i = 0; i < 4; ++i) {
    repairs.emplace_back([&, i] { Repair(i % 2 == 0 ? store() : *other); });
  }
  for (std::thread& repair : repairs) repair.join();
  EXPECT_EQ(Check(), Texts{});
  EXPECT_EQ(Total(Value(store().Count(kNamespace))), 200);
}

TEST_P(DerivedTest, EveryFaultOfTheEntriesIsFoundAndPutRight) {
  if (sqlite()) GTEST_SKIP() << "its indexes are SQLite's";
  CreateInOrder(Numbered("t", 40));
  StartAll(Numbered("s", 40), absl::Minutes(5));
  EXPECT_EQ(Check(), Texts{});
  Sql("DELETE FROM tracker.task WHERE id IN ('t10000', 's10000')");
  Sql("DELETE FROM tracker.ready WHERE id IN ('t10001', 't10002')");
  Sql("DELETE FROM tracker.alarm WHERE id = 's10001'");
  Sql("DELETE FROM tracker.idle WHERE id = 't10003'");
  Sql("UPDATE tracker.ready SET rank = 7 WHERE id = 't10004'");
  Sql("UPDATE tracker.alarm SET due_us = 7 WHERE id = 's10002'");
  Sql("UPDATE tracker.alarm SET held = false WHERE id = 's10003'");
  Sql("UPDATE tracker.idle SET update_us = 7 WHERE id = 't10005'");
  for (const char* table : {"ready", "idle"}) {
    Sql(absl::StrCat("INSERT INTO tracker.", table, " SELECT * FROM tracker.", table,
                     " WHERE id = 't10006'"));
  }
  Sql("INSERT INTO tracker.alarm SELECT * FROM tracker.alarm WHERE id = 's10004'");
  const Texts faults = {"alarm duplicate 1",    "alarm missing 3",  "alarm orphan 1",
                        "alarm stale 2",        "idle duplicate 1", "idle missing 2",
                        "idle orphan 1",        "idle stale 1",     "ready duplicate 1",
                        "ready missing 3",      "ready orphan 1",   "ready stale 1",
                        "task_count miscount 2"};
  EXPECT_EQ(Check(), faults);
  EXPECT_EQ(Check(), faults) << "it changes nothing";
  const CheckReport repaired = Repair();
  EXPECT_EQ(TextOf(repaired), faults);
  EXPECT_EQ(repaired.skipped, 0);
  EXPECT_EQ(Check(), Texts{});
  EXPECT_EQ(TextOf(Repair()), Texts{});
  EXPECT_EQ(ClaimIds(100).size(), 39);
  Advance(absl::Minutes(20));
  EXPECT_EQ(Value(service::ReapOnce(store(), 1000)), 39 + 39);
}

// Everything lost, and more of it than a step takes in.
TEST_P(DerivedTest, EntriesAreRebuiltFromTheTasksAlone) {
  if (sqlite()) GTEST_SKIP() << "its indexes are SQLite's";
  CreateInOrder(Numbered("t", limits::kCheckStep + 10));
  Sql("TRUNCATE tracker.ready, tracker.idle, tracker.alarm, tracker.task_count");
  EXPECT_EQ(ClaimIds(1), Ids{});
  const CheckReport repaired = Repair();
  EXPECT_EQ(repaired.skipped, 0);
  EXPECT_EQ(Check(), Texts{});
  EXPECT_EQ(ClaimIds(3), (Ids{"t10000", "t10001", "t10002"}));
}

TEST_P(DerivedTest, ATaskThatSomebodyHoldsIsLeftForTheNextRepair) {
  if (sqlite()) GTEST_SKIP() << "SQLite holds no rows";
  CreateInOrder({"a", "held"});
  Sql("DELETE FROM tracker.ready");
  {
    pqxx::connection connection(url());
    pqxx::work stranger(connection);
    stranger.exec("SELECT 1 FROM tracker.task WHERE id = 'held' FOR UPDATE");
    EXPECT_EQ(Repair().skipped, 1);
    EXPECT_EQ(Check(), Texts{"ready missing 1"});
  }
  EXPECT_EQ(Repair().skipped, 0);
  EXPECT_EQ(Check(), Texts{});
}

// What others commit meanwhile is never taken for a fault, and never undone.
TEST_P(DerivedTest, ChecksAndRepairsWhileOthersWrite) {
  CreateInOrder(Numbered("t", 200));
  Sql("UPDATE tracker.task_count SET n = n + 3");
  if (!sqlite()) Sql("DELETE FROM tracker.ready WHERE id LIKE '%7'");
  const std::unique_ptr<Store> other = OpenAnother();
  std::atomic<bool> over = false;
  std::vector<std::thread> workers;
  workers.reserve(3);
  for (int i = 0; i < 3; ++i) {
    workers.emplace_back([&, i] {
      Store& mine = i == 0 ? store() : *other;
      for (int turn = 0; !over; ++turn) {
        const std::string id = absl::StrCat("t", 10'000 + (turn * 7 + i * 31) % 200);
        const std::string lock = NewLockToken();
        ApplyTo(mine, {Make(id, Start{}, lock)});
        if (turn % 3 == 0) ApplyTo(mine, {Make(id, domain::Release{}, lock)});
        if (turn % 3 == 1) ApplyTo(mine, {Make(id, domain::Fail{}, lock)});
        if (turn % 3 == 2) ApplyTo(mine, {Make(id, domain::Reset{.force = true})});
        if (turn % 10 == 0) ApplyTo(mine, {Make(absl::StrCat("new", i, "-", turn), Create{})});
        if (turn % 50 == 0) {
          EXPECT_OK(mine.Tidy());
        }
      }
    });
  }
  const CheckReport first = Repair();
  EXPECT_EQ(first.findings.empty(), false);
  for (int turn = 0; turn < 10; ++turn) {
    Repair(turn % 2 == 0 ? store() : *other);
    // What was held in one repair may be left to the next; nothing may be there twice or too much.
    for (const Finding& finding : Value(other->Check({})).findings) {
      EXPECT_EQ(finding.fault, Fault::kMissing) << finding.where << " " << finding.count;
    }
  }
  over = true;
  for (std::thread& worker : workers) worker.join();
  Repair();
  EXPECT_EQ(Check(), Texts{});
}

TEST_P(DerivedTest, ACheckTellsHowFarItIsAndEndsWhenItIsTold) {
  CreateInOrder(Numbered("t", 2 * limits::kCheckStep));
  int told = 0;
  const auto report = store().Check({.tell = [&](const CheckReport&) { ++told; }});
  ASSERT_OK(report);
  EXPECT_GE(report->scanned, 2 * limits::kCheckStep);
  EXPECT_GE(told, 1);
  const GoOn gone = [] { return absl::CancelledError("gone"); };
  if (!sqlite()) {
    EXPECT_TRUE(absl::IsCancelled(store().Check({.go_on = gone}).status()));
  }
}

TEST_P(DerivedTest, ADamagedIndexIsFoundAndRebuilt) {
  if (!sqlite()) GTEST_SKIP() << "PostgreSQL's indexes are its own to check (amcheck)";
  CreateAll({"a"});
  // A row has no entry in an index that must have one of it. (One too many is found by older SQLite
  // only.)
  const auto rewrite = [&](const std::string& from, const std::string& to) {
    ExecuteSql(absl::StrCat("PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = replace("
                            "sql, '",
                            from, "', '", to, "') WHERE name = 'task_alarm'"),
               "");
  };
  const std::string columns =
      "status, attempts, max_attempts, priority, fence, create_us, update_us, available_us, worker,"
      " lock, lock_us, lock_expire_us, lease_us, data, errors";
  rewrite("alarm_us <> 0", "alarm_us < 0");
  ExecuteSql(absl::StrCat("INSERT INTO task (namespace, id, alarm_us, ", columns,
                          ") SELECT namespace, 'b', 4102444800000000, ", columns, " FROM task"),
             "");
  rewrite("alarm_us < 0", "alarm_us <> 0");
  // SQLite tells of the row, and some versions of the number of entries, too.
  const Texts found = Check();
  ASSERT_EQ(found.size(), 2u);
  EXPECT_TRUE(absl::StartsWith(found[0], "file damage ")) << found[0];
  EXPECT_EQ(found[1], "task_count miscount 1");
  const CheckReport repaired = Repair();
  EXPECT_GE(repaired.repaired, 2);
  EXPECT_EQ(repaired.skipped, 0);
  EXPECT_EQ(Check(), Texts{});
}

class LongJobTest : public StoreTest {
 protected:
  // Counting takes for ever.
  void SlowDown() {
    ExecuteSql(
        "ALTER TABLE task_count RENAME TO kept;"
        "CREATE VIEW task_count AS WITH RECURSIVE r (x) AS (SELECT 1 UNION ALL"
        " SELECT x + 1 FROM r WHERE x < 1000000000000)"
        " SELECT kept.* FROM kept, r WHERE r.x < 0",
        "ALTER TABLE tracker.task_count RENAME TO kept;"
        "CREATE VIEW tracker.task_count AS SELECT kept.* FROM tracker.kept, pg_sleep(600);"
        "CREATE RULE kept AS ON INSERT TO tracker.task_count DO INSTEAD"
        " INSERT INTO tracker.kept VALUES (NEW.*)");
  }
};
INSTANTIATE_FOR_ALL_STORES(LongJobTest);

// Four recounts used to hold every connection that upkeep and health had.
TEST_P(LongJobTest, JobsKeepNeitherUpkeepNorHealthNorUsersWaitingAndEndWhenTold) {
  CreateAll({"a"});
  ASSERT_OK(Apply(Make("b", Start{.lease = absl::Minutes(1), .create_if_missing = true})));
  Advance(absl::Minutes(2));
  SlowDown();
  std::atomic<bool> cancelled = false;
  std::atomic<int> asked = 0;
  std::vector<std::thread> jobs;
  jobs.reserve(limits::kJobs);
  std::vector<absl::Status> ends(limits::kJobs);
  for (absl::Status& end : ends) {
    jobs.emplace_back([&] {
      end = store()
                .CheckCounts([&]() -> absl::Status {
                  ++asked;
                  return cancelled ? absl::CancelledError("gone") : absl::OkStatus();
                })
                .status();
    });
  }
  // Each has been asked while it runs.
  while (asked < 3 * limits::kJobs) absl::SleepFor(absl::Milliseconds(1));
  EXPECT_EQ(Value(store().ListDue(10)).size(), 1);
  // SQLite cannot write through such a view.
  if (!sqlite()) {
    EXPECT_EQ(Value(service::ReapOnce(store(), 10)), 1);
  }
  EXPECT_OK(store().Ping());
  EXPECT_OK(store().PolicyVersion());
  EXPECT_OK(store().ListPolicies());
  EXPECT_OK(store().ListFinished({.name_space = kNamespace}));
  EXPECT_OK(store().CountAttempts(kNamespace, absl::Minutes(1), absl::InfinitePast()));
  EXPECT_OK(Get("a"));
  EXPECT_OK(store().List({.name_space = kNamespace}));
  EXPECT_OK(store().HaveClaimable({kNamespace}));
  cancelled = true;
  for (std::thread& job : jobs) job.join();
  for (const absl::Status& end : ends) EXPECT_TRUE(absl::IsCancelled(end)) << end;
}

}  // namespace
}  // namespace tracker::store
