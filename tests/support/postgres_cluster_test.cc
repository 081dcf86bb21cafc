// The cluster that other tests stand on must itself come, go and leave nothing behind.
#include "tests/support/postgres_cluster.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <pqxx/pqxx>
#include <thread>

#include "absl/strings/match.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace tracker::testing {
namespace {

int CountRows(const std::string& url) {
  pqxx::connection connection(url);
  pqxx::work work(connection);
  return work.exec("SELECT count(*) FROM t")[0][0].as<int>();
}

TEST(PostgresClusterTest, KeepsWhatWasCommittedOverStopAndCrash) {
  auto cluster = PostgresCluster::Start();
  ASSERT_TRUE(cluster.ok()) << cluster.status();
  ASSERT_TRUE((*cluster)->CreateDatabase("odd \"name").ok());
  ASSERT_TRUE((*cluster)->CreateDatabase("db").ok());
  EXPECT_FALSE((*cluster)->CreateDatabase("db").ok());
  {
    pqxx::connection connection((*cluster)->Url("db"));
    pqxx::work work(connection);
    work.exec("CREATE TABLE t (n int)");
    work.exec("INSERT INTO t VALUES (1)");
    work.commit();
  }
  ASSERT_TRUE((*cluster)->Stop().ok());
  EXPECT_THROW(CountRows((*cluster)->Url("db")), pqxx::broken_connection);
  ASSERT_TRUE((*cluster)->StartAgain().ok());
  EXPECT_EQ(CountRows((*cluster)->Url("db")), 1);
  ASSERT_TRUE((*cluster)->Crash().ok());
  ASSERT_TRUE((*cluster)->StartAgain().ok());
  EXPECT_EQ(CountRows((*cluster)->Url("db")), 1);

  const std::string folder = (*cluster)->socket_folder();
  EXPECT_TRUE(std::filesystem::exists(folder));
  cluster->reset();
  EXPECT_FALSE(std::filesystem::exists(folder));
}

// As below root's home: PostgreSQL refuses to be run by root, and another user cannot go there.
TEST(PostgresClusterTest, RunsBelowAFolderThatIsClosedToOthers) {
  const std::filesystem::path closed = std::filesystem::temp_directory_path() / "closed";
  std::filesystem::create_directory(closed);
  std::filesystem::permissions(closed, std::filesystem::perms::owner_all);
  auto cluster = PostgresCluster::Start({.fsync = false, .parent_folder = closed});
  ASSERT_TRUE(cluster.ok()) << cluster.status();
  EXPECT_TRUE((*cluster)->CreateDatabase("db").ok());
}

void Execute(const std::string& url, const std::string& sql) {
  pqxx::connection connection(url);
  pqxx::nontransaction(connection).exec(sql);
}

TEST(PostgresClusterTest, KilledAtOnceItAnswersNobodyAndNoCommitIsLost) {
  auto cluster = PostgresCluster::Start();
  ASSERT_TRUE(cluster.ok()) << cluster.status();
  const std::string url = (*cluster)->Url("postgres");
  Execute(url, "CREATE TABLE t (n int); INSERT INTO t VALUES (1)");
  pqxx::connection open(url);
  ASSERT_TRUE((*cluster)->KillAtOnce().ok());
  EXPECT_THROW(pqxx::nontransaction(open).exec("SELECT 1"), pqxx::broken_connection);
  EXPECT_THROW(CountRows(url), pqxx::broken_connection);
  EXPECT_FALSE((*cluster)->running());
  ASSERT_TRUE((*cluster)->StartAgain().ok()) << (*cluster)->LogTail();
  EXPECT_EQ(CountRows(url), 1);
}

TEST(PostgresClusterTest, AFrozenOneAnswersNobodyUntilItIsThawed) {
  auto cluster = PostgresCluster::Start({.fsync = false});
  ASSERT_TRUE(cluster.ok()) << cluster.status();
  const std::string url = (*cluster)->Url("postgres");
  ASSERT_TRUE((*cluster)->Freeze().ok());
  EXPECT_THROW(pqxx::connection(url + "?connect_timeout=2"), pqxx::broken_connection);
  (*cluster)->Thaw();
  EXPECT_NO_THROW(pqxx::connection(url + "?connect_timeout=20"));
  ASSERT_TRUE((*cluster)->Freeze().ok());
  cluster->reset();
}

TEST(PostgresClusterTest, AStandbyHasEachCommitThatWasAnsweredAndTakesThePrimarysPlace) {
  auto primary = PostgresCluster::Start();
  ASSERT_TRUE(primary.ok()) << primary.status();
  ASSERT_TRUE((*primary)->CreateDatabase("db").ok());
  auto standby = (*primary)->StartStandby();
  ASSERT_TRUE(standby.ok()) << standby.status();
  const std::string url = (*standby)->Url("db");
  Execute((*primary)->Url("db"), "CREATE TABLE t (n int)");
  Execute((*primary)->Url("db"), "INSERT INTO t SELECT generate_series(1, 1000)");
  EXPECT_THROW(Execute(url, "INSERT INTO t VALUES (0)"), pqxx::sql_error) << "it is a standby";
  ASSERT_TRUE((*primary)->KillAtOnce().ok());
  ASSERT_TRUE((*standby)->Promote().ok());
  Execute(url, "INSERT INTO t VALUES (0)");
  EXPECT_EQ(CountRows(url), 1001);
}

TEST(PostgresClusterTest, WithoutItsStandbyThePrimaryAnswersNoCommit) {
  auto primary = PostgresCluster::Start();
  ASSERT_TRUE(primary.ok()) << primary.status();
  const std::string url = (*primary)->Url("postgres");
  auto standby = (*primary)->StartStandby();
  ASSERT_TRUE(standby.ok()) << standby.status();
  Execute(url, "CREATE TABLE t (n int)");
  ASSERT_TRUE((*standby)->Freeze().ok());
  std::atomic<bool> answered{false};
  std::thread writer([&] {
    Execute(url, "INSERT INTO t VALUES (1)");
    answered = true;
  });
  absl::SleepFor(absl::Milliseconds(300));
  EXPECT_FALSE(answered);
  (*standby)->Thaw();
  writer.join();
  ASSERT_TRUE((*standby)->KillAtOnce().ok());
  ASSERT_TRUE((*primary)->Alter("synchronous_standby_names", "").ok());
  Execute(url, "INSERT INTO t VALUES (2)");
  EXPECT_EQ(CountRows(url), 2);
}

TEST(PostgresClusterTest, SaysWhyItCannotStart) {
  const auto cluster = PostgresCluster::Start({.settings = {"no_such_setting=1"}});
  EXPECT_TRUE(absl::StrContains(cluster.status().message(), "no_such_setting")) << cluster.status();
}

TEST(PostgresClusterTest, EndsWithTheProcessThatStartedIt) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    auto cluster = PostgresCluster::Start({.fsync = false});
    const std::string folder = cluster.ok() ? (*cluster)->socket_folder() : "";
    const ssize_t written = write(ends[1], folder.data(), folder.size());
    close(ends[1]);
    if (written > 0) pause();
    _exit(1);
  }
  close(ends[1]);
  char buffer[200] = {};
  const ssize_t size = read(ends[0], buffer, sizeof(buffer));
  close(ends[0]);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  ASSERT_GT(size, 0);
  const std::string folder(buffer, size);
  const absl::Time end = absl::Now() + absl::Seconds(20);
  while (std::filesystem::exists(folder) && absl::Now() < end) {
    absl::SleepFor(absl::Milliseconds(20));
  }
  EXPECT_FALSE(std::filesystem::exists(folder));
}

}  // namespace
}  // namespace tracker::testing
