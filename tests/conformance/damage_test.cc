// PostgreSQL only: rows that it cannot read, and dead rows that it does not get rid of.
#include <gtest/gtest.h>

#include <memory>
#include <pqxx/pqxx>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "src/service/purge.h"
#include "src/service/reaper.h"
#include "src/store/postgres/vacuum.h"
#include "tests/conformance/claim_store_test.h"

namespace tracker::store {
namespace {

using domain::Ignore;
using domain::Reason;
using domain::Start;
using domain::Status;

class DamageTest : public ClaimStoreTest {
 protected:
  // Text that does not compress, so that PostgreSQL keeps it out of the row.
  static std::string LargeData() {
    std::string data = "{\"x\":\"";
    while (data.size() < 30'000) data += NewLockToken();
    return data + "\"}";
  }
  // Its data can no longer be read: XX001, missing chunk number 0 for toast value.
  void DamageAllLarge() {
    pqxx::connection connection(url());
    pqxx::work work(connection);
    const std::string toast = work.exec(
                                      "SELECT reltoastrelid::regclass::text FROM pg_class"
                                      " WHERE oid = 'tracker.task'::regclass")[0][0]
                                  .as<std::string>();
    work.exec("CREATE EXTENSION IF NOT EXISTS pg_surgery");
    work.exec(absl::StrCat("SELECT heap_force_kill('", toast,
                           "'::regclass, ARRAY(SELECT ctid FROM ", toast, "))"));
    work.commit();
  }
  static bool HasSurgery() {
    pqxx::connection connection(SharedPostgres().Url("postgres"));
    return !pqxx::nontransaction(connection)
                .exec("SELECT 1 FROM pg_available_extensions WHERE name = 'pg_surgery'")
                .empty();
  }
};
INSTANTIATE_TEST_SUITE_P(, DamageTest, ::testing::Values(Backend::kPostgres), BackendName);

TEST_P(DamageTest, ARowThatCannotBeReadFailsNoOther) {
  if (!HasSurgery()) GTEST_SKIP() << "this PostgreSQL has no pg_surgery";
  CreateInOrder({"a"});
  CreateInOrder({"bad"}, {.data = LargeData()});
  CreateInOrder({"b", "c"});
  DamageAllLarge();
  std::vector<domain::Command> commands;
  for (const char* id : {"a", "bad", "b", "c"}) {
    commands.push_back(Make(id, Start{.lease = absl::Minutes(1)}));
  }
  for (int turn = 0; turn < 2; ++turn) {
    const std::vector<domain::Outcome> outcomes = Apply(commands);
    EXPECT_OK(outcomes[0]);
    EXPECT_EQ(outcomes[1].reason, Reason::kInternal) << outcomes[1].message;
    EXPECT_OK(outcomes[2]);
    EXPECT_OK(outcomes[3]);
  }
}

TEST_P(DamageTest, ClaimsGoOnWithoutWhatCannotBeRead) {
  if (!HasSurgery()) GTEST_SKIP() << "this PostgreSQL has no pg_surgery";
  CreateInOrder({"bad1"}, {.data = LargeData()});
  CreateInOrder({"a", "b"});
  CreateInOrder({"bad2"}, {.data = LargeData()});
  CreateInOrder({"c"});
  DamageAllLarge();
  EXPECT_EQ(ClaimIds(2), (Ids{"a", "b"}));
  EXPECT_EQ(ClaimIds(2), Ids{"c"});
  EXPECT_EQ(ClaimIds(2), Ids{});
  EXPECT_EQ(Value(store().Check({})).findings, std::vector<Finding>{});
}

TEST_P(DamageTest, TheReaperGoesOnWithoutWhatCannotBeRead) {
  if (!HasSurgery()) GTEST_SKIP() << "this PostgreSQL has no pg_surgery";
  for (int i = 0; i < 5; ++i) CreateInOrder({absl::StrCat("bad", i)}, {.data = LargeData()});
  CreateInOrder(Numbered("t", 10));
  EXPECT_EQ(ClaimIds(100).size(), 15);
  DamageAllLarge();
  Advance(absl::Hours(1));
  service::Reaper reaper(&store(), {});
  // As many as it takes at once cannot be read, and are the first.
  for (int step = 0; step < 5; ++step) ASSERT_OK(reaper.Step(5));
  EXPECT_EQ(Get("t10000").task->status, Status::kFailed);
  EXPECT_EQ(Get("t10009").task->status, Status::kFailed);
}

TEST_P(DamageTest, ThePurgeGoesOnWithoutWhatCannotBeRead) {
  if (!HasSurgery()) GTEST_SKIP() << "this PostgreSQL has no pg_surgery";
  CreateInOrder({"bad"}, {.data = LargeData()});
  CreateInOrder({"a", "b"});
  for (const char* id : {"bad", "a", "b"}) ASSERT_OK(Apply(Make(id, Ignore{})));
  DamageAllLarge();
  Advance(absl::Hours(1));
  const auto purged = service::PurgeStep(
      store(), {.name_space = kNamespace, .age = absl::Minutes(1)}, /*dry_run=*/false);
  ASSERT_OK(purged);
  EXPECT_EQ(purged->found, 3);
  EXPECT_EQ(purged->deleted, 2);
}

class VacuumTest : public StoreTest {
 protected:
  // Dead rows enough to be worth a vacuum.
  void PileUp() {
    ExecuteSql("",
               "INSERT INTO tracker.ready SELECT 0, 'gone', 0, n, n::text"
               " FROM generate_series(1, 30000) n");
    ExecuteSql("", "DELETE FROM tracker.ready WHERE namespace = 'gone'");
  }
  int64_t Ask(const std::string& sql) {
    pqxx::connection connection(url());
    return pqxx::nontransaction(connection).exec(sql)[0][0].as<int64_t>();
  }
  int64_t Vacuums() {
    return Ask("SELECT vacuum_count FROM pg_stat_user_tables WHERE relname = 'ready'");
  }
  int64_t Dead() {
    return Ask("SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'ready'");
  }
};
INSTANTIATE_TEST_SUITE_P(, VacuumTest, ::testing::Values(Backend::kPostgres), BackendName);

TEST_P(VacuumTest, ClearsAwayDeadRows) {
  PileUp();
  ASSERT_GT(Dead(), 20'000);
  ASSERT_OK(store().Vacuum(GoOn()));
  EXPECT_EQ(Vacuums(), 1);
  EXPECT_LT(Dead(), 1000);
  ASSERT_OK(store().Vacuum(GoOn()));
  EXPECT_EQ(Vacuums(), 1);
}

// Each second, it would read the whole index for nothing.
TEST_P(VacuumTest, IsNotRepeatedAtOnceWhereAnOldTransactionHoldsTheRowsBack) {
  pqxx::connection connection(url());
  pqxx::transaction<pqxx::repeatable_read> old(connection);
  old.exec("SELECT count(*) FROM tracker.ready");
  PileUp();
  for (int second = 0; second < 3; ++second) ASSERT_OK(store().Vacuum(GoOn()));
  EXPECT_EQ(Vacuums(), 1);
  EXPECT_GT(Dead(), 20'000);
}

TEST_P(VacuumTest, ARoleThatMayNotIsToldOnceAndTidiesAllTheSame) {
  static int roles = 0;
  const std::string role = absl::StrCat("runner", ++roles);
  ExecuteSql("",
             absl::StrCat("CREATE ROLE ", role, " LOGIN; GRANT USAGE ON SCHEMA tracker TO ", role,
                          "; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA tracker"
                          " TO ",
                          role));
  std::vector<std::string> warnings;
  const std::string as_role = absl::StrReplaceAll(url(), {{"postgres@", role + "@"}});
  absl::StatusOr<std::unique_ptr<Store>> opened =
      Open(as_role, {.migrate = false, .on_event = [&](const StoreEvent& event) {
                       warnings.emplace_back(event.name);
                       EXPECT_TRUE(absl::StrContains(event.text, "VACUUM")) << event.text;
                     }});
  ASSERT_OK(opened);
  PileUp();
  for (int second = 0; second < 3; ++second) {
    EXPECT_OK((*opened)->Vacuum(GoOn()));
    EXPECT_OK((*opened)->Tidy());
  }
  EXPECT_EQ(warnings, std::vector<std::string>{"cannot_vacuum"});
}

TEST(VacuumPauseTest, GrowsWhileNothingIsClearedAwayAndEndsWhenItIs) {
  postgres::VacuumPause pause;
  base::MonotonicTime now = absl::FromUnixSeconds(1000);
  EXPECT_TRUE(pause.IsDue(now));
  pause.Done(/*helped=*/true, now);
  EXPECT_TRUE(pause.IsDue(now));
  for (const int seconds : {2, 4, 8, 16, 32, 64, 128, 256, 300, 300}) {
    pause.Done(/*helped=*/false, now);
    EXPECT_FALSE(pause.IsDue(now + absl::Seconds(seconds - 1)));
    now += absl::Seconds(seconds);
    EXPECT_TRUE(pause.IsDue(now)) << seconds;
  }
  pause.Done(/*helped=*/true, now);
  EXPECT_TRUE(pause.IsDue(now));
}

}  // namespace
}  // namespace tracker::store
