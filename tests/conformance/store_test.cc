#include "tests/conformance/store_test.h"

#include <sqlite3.h>
#include <stdlib.h>

#include <pqxx/pqxx>

#include "absl/strings/str_cat.h"
#include "src/base/token.h"
#include "tests/support/shared_postgres.h"

namespace tracker::store {
namespace {

using domain::Command;
using domain::Outcome;

}  // namespace

std::string BackendName(const ::testing::TestParamInfo<Backend>& info) {
  return info.param == Backend::kSqlite ? "Sqlite" : "Postgres";
}

testing::PostgresCluster& SharedPostgres() {
  // Sorted by a language, as many real databases are: the store must not lean on byte order.
  // Crashes of the machine are not this suite's subject, so commits need not wait for the disk.
  return testing::SharedPostgres({.fsync = false, .icu_locale = "en-US"});
}

void StoreTest::SetUp() {
  std::string name = (std::filesystem::temp_directory_path() / "tracker-store-XXXXXX").string();
  ASSERT_NE(mkdtemp(name.data()), nullptr);
  folder_ = name;
  if (sqlite()) {
    url_ = absl::StrCat("sqlite:", (folder_ / "tracker.db").string());
  } else {
    static int databases = 0;
    const std::string database = absl::StrCat("db", ++databases);
    ASSERT_OK(SharedPostgres().CreateDatabase(database));
    url_ = SharedPostgres().Url(database);
  }
  store_ = OpenAnother();
  ASSERT_NE(store_, nullptr);
}

void StoreTest::TearDown() {
  store_.reset();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

std::unique_ptr<Store> StoreTest::OpenAnother(bool migrate) {
  absl::StatusOr<std::unique_ptr<Store>> opened =
      Open(url_, {.migrate = migrate,
                  .clock_offset = [this] { return absl::Microseconds(offset_us_.load()); }});
  EXPECT_OK(opened);
  return opened.ok() ? *std::move(opened) : nullptr;
}

void StoreTest::Reopen(bool migrate) {
  store_.reset();
  store_ = OpenAnother(migrate);
  ASSERT_NE(store_, nullptr);
}

void StoreTest::ExecuteSql(const std::string& for_sqlite, const std::string& for_postgres) {
  if (sqlite()) {
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open(url_.substr(7).c_str(), &database), SQLITE_OK);
    sqlite3_busy_timeout(database, 5000);
    EXPECT_EQ(sqlite3_exec(database, for_sqlite.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
        << sqlite3_errmsg(database);
    sqlite3_close(database);
    return;
  }
  pqxx::connection connection(url_);
  pqxx::work work(connection);
  work.exec(for_postgres);
  work.commit();
}

Command Make(const std::string& id, domain::Action action, std::string token,
             const std::string& name_space) {
  return {.key = {name_space, id},
          .token = token.empty() ? NewLockToken() : std::move(token),
          .action = std::move(action)};
}

std::vector<Outcome> ApplyTo(Store& store, const std::vector<Command>& commands) {
  std::vector<Outcome> outcomes = store.Apply(domain::PointersTo(commands));
  EXPECT_EQ(outcomes.size(), commands.size());
  outcomes.resize(commands.size());
  return outcomes;
}

void StoreTest::CreateAll(const std::vector<std::string>& ids) {
  std::vector<Command> commands;
  for (const std::string& id : ids) commands.push_back(Make(id, domain::Create{}));
  for (const Outcome& outcome : Apply(commands)) ASSERT_OK(outcome);
}

std::vector<domain::Task> StoreTest::ListAll(Store& store, ListQuery query) {
  std::vector<domain::Task> tasks;
  while (true) {
    absl::StatusOr<Page> page = store.List(query);
    EXPECT_OK(page);
    if (!page.ok()) return tasks;
    EXPECT_LE(page->tasks.size(), static_cast<size_t>(query.limit));
    tasks.insert(tasks.end(), page->tasks.begin(), page->tasks.end());
    if (!page->next) return tasks;
    EXPECT_FALSE(page->tasks.empty());
    if (page->tasks.empty()) return tasks;
    query.after = page->next;
  }
}

std::vector<StatusCount> StoreTest::Recount(Store& store, const std::string& name_space) {
  std::map<domain::Status, int64_t> counted;
  for (const domain::Task& task : ListAll(store, {.name_space = name_space, .limit = 1000})) {
    ++counted[task.status];
  }
  std::vector<StatusCount> counts;
  for (const auto& [status, count] : counted) counts.push_back({name_space, status, count});
  return counts;
}

}  // namespace tracker::store

namespace tracker::domain {

void PrintTo(const Task& task, std::ostream* out) {
  *out << absl::StrCat(
      task.key.name_space, "/", task.key.id, " ", StatusName(task.status), " attempts ",
      task.attempts, "/", task.max_attempts, " priority ", task.priority, " fence ", task.fence,
      " create ", absl::ToUnixMicros(task.create_time), " update ",
      absl::ToUnixMicros(task.update_time), " available ", absl::ToUnixMicros(task.available_time),
      " worker '", task.worker, "' lock '", task.lock, "' at ", absl::ToUnixMicros(task.lock_time),
      " until ", absl::ToUnixMicros(task.lock_expire_time), " lease ",
      absl::FormatDuration(task.lease), " data ", task.data, " errors ", task.errors.size());
}

}  // namespace tracker::domain
