// What PostgresCluster does with a second one: streaming, freezing, killing, promoting.
#include <sys/shm.h>

#include <fstream>
#include <pqxx/pqxx>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "tests/support/child_process.h"
#include "tests/support/postgres_cluster.h"
#include "tests/support/process_family.h"

namespace tracker::testing {
namespace {

constexpr absl::Duration kStreamTimeout = absl::Seconds(60);
constexpr absl::Duration kReloadTimeout = absl::Seconds(30);
constexpr int kPromoteSeconds = 60;
constexpr absl::Duration kLook = absl::Milliseconds(10);

// One text; throws.
std::string Ask(const std::string& url, const std::string& sql) {
  pqxx::connection connection(url);
  pqxx::nontransaction work(connection);
  const pqxx::result rows = work.exec(sql);
  return rows.empty() || rows[0][0].is_null() ? "" : rows[0][0].c_str();
}

// Waits until the server answers so.
absl::Status AwaitAnswer(const std::string& url, const std::string& sql, const std::string& answer,
                         absl::Duration timeout) {
  const absl::Time end = absl::Now() + timeout;
  std::string last;
  while (absl::Now() < end) {
    try {
      last = Ask(url, sql);
    } catch (const std::exception& e) {
      last = e.what();
    }
    if (last == answer) return absl::OkStatus();
    absl::SleepFor(kLook);
  }
  return absl::DeadlineExceededError(absl::StrCat(sql, " still answers: ", last));
}

}  // namespace

absl::StatusOr<std::unique_ptr<PostgresCluster>> PostgresCluster::StartStandby(
    const PostgresClusterOptions& options) {
  std::unique_ptr<PostgresCluster> standby(new PostgresCluster);
  standby->program_folder_ = program_folder_;
  if (absl::Status status = standby->MakeFolder(options); !status.ok()) return status;
  absl::Status status = standby->RunToEnd(
      {absl::StrCat(program_folder_, "/pg_basebackup"), "--pgdata", standby->DataFolder(),
       absl::StrCat("--dbname=", Url("postgres")), "--wal-method=stream", "--checkpoint=fast",
       "--no-sync", "--write-recovery-conf"});
  if (!status.ok()) return status;
  standby->UseSettings(options);
  if (status = standby->StartOnFreePort(); !status.ok()) return status;
  // From here on each commit waits for it. The standby has the setting as it was before, and does
  // not wait for anybody once it is the primary.
  if (status = Alter("synchronous_standby_names", "ANY 1 (*)"); !status.ok()) return status;
  status = AwaitAnswer(Url("postgres"),
                       "SELECT count(*) FROM pg_stat_replication"
                       " WHERE state = 'streaming' AND sync_state = 'quorum'",
                       "1", kStreamTimeout);
  if (!status.ok()) return status;
  return standby;
}

absl::Status PostgresCluster::Alter(const std::string& setting, const std::string& value) const {
  try {
    const std::string before = Ask(Url("postgres"), "SELECT pg_conf_load_time()");
    Ask(Url("postgres"), absl::StrCat("ALTER SYSTEM SET ", setting, " = '", value, "'"));
    Ask(Url("postgres"), "SELECT pg_reload_conf()");
    return AwaitAnswer(Url("postgres"), absl::StrCat("SELECT pg_conf_load_time() > '", before, "'"),
                       "t", kReloadTimeout);
  } catch (const std::exception& e) {
    return absl::InternalError(absl::StrCat("cannot set ", setting, ": ", e.what()));
  }
}

absl::Status PostgresCluster::Promote() const {
  try {
    const std::string done =
        Ask(Url("postgres"), absl::StrCat("SELECT pg_promote(true, ", kPromoteSeconds, ")"));
    if (done == "t") return absl::OkStatus();
    return absl::DeadlineExceededError(absl::StrCat("the standby is none still: ", LogTail()));
  } catch (const std::exception& e) {
    return absl::InternalError(absl::StrCat("cannot promote: ", e.what()));
  }
}

absl::Status PostgresCluster::Freeze() {
  if (!running()) return absl::FailedPreconditionError("PostgreSQL is not running");
  frozen_ = testing::Freeze(server_);
  return absl::OkStatus();
}

void PostgresCluster::Thaw() {
  testing::Thaw(frozen_);
  frozen_.clear();
}

absl::Status PostgresCluster::KillAtOnce() {
  if (!running()) return absl::FailedPreconditionError("PostgreSQL is not running");
  const absl::Status killed = testing::KillAtOnce(server_);
  frozen_.clear();
  const bool ended = WaitForChild(server_, kStreamTimeout, nullptr);
  server_ = -1;
  RemoveSharedMemory();
  if (!ended) return absl::DeadlineExceededError("PostgreSQL does not end");
  return killed;
}

// A killed server leaves its System V segment behind, which is the next server's to remove; there
// may be none. The segment's id is the second number of the line of postmaster.pid that has two.
void PostgresCluster::RemoveSharedMemory() const {
  std::ifstream file(DataFolder() + "/postmaster.pid");
  for (std::string line; std::getline(file, line);) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
    int key = 0, id = 0;
    if (words.size() == 2 && absl::SimpleAtoi(words[0], &key) && absl::SimpleAtoi(words[1], &id)) {
      shmctl(id, IPC_RMID, nullptr);
    }
  }
}

}  // namespace tracker::testing
