// The cluster that other tests stand on must itself come, go and leave nothing behind.
#include "tests/support/postgres_cluster.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <pqxx/pqxx>

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
