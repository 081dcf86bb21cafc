#include "tests/e2e/world.h"

#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <pqxx/pqxx>
#include <sstream>
#include <stdexcept>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/support/child_process.h"
#include "tests/support/shared_postgres.h"

namespace tracker::e2e {
namespace {

namespace fs = std::filesystem;

class PostgresLock : public StoreLock {
 public:
  explicit PostgresLock(const std::string& url) : connection_(url), work_(connection_) {
    // A Start of a task by its name touches no entry of `ready`. Reads go on, as in SQLite.
    work_->exec("LOCK TABLE tracker.task IN EXCLUSIVE MODE");
    work_->exec("LOCK TABLE tracker.ready IN ACCESS EXCLUSIVE MODE");
  }
  void Unlock() override { work_.reset(); }

 private:
  pqxx::connection connection_;
  std::optional<pqxx::work> work_;
};

class SqliteLock : public StoreLock {
 public:
  explicit SqliteLock(const std::string& file) {
    sqlite3_open(file.c_str(), &database_);
    sqlite3_busy_timeout(database_, 10'000);
    if (sqlite3_exec(database_, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr) != SQLITE_OK)
      throw std::runtime_error("cannot lock " + file);
  }
  ~SqliteLock() override { Unlock(); }
  void Unlock() override { sqlite3_close(std::exchange(database_, nullptr)); }

 private:
  sqlite3* database_ = nullptr;
};

}  // namespace

std::unique_ptr<StoreLock> World::LockStore(const std::string& store_url) {
  const std::string sqlite = "sqlite:";
  if (store_url.rfind(sqlite, 0) == 0) {
    return std::make_unique<SqliteLock>(store_url.substr(sqlite.size()));
  }
  return std::make_unique<PostgresLock>(store_url);
}

std::string KindName(const ::testing::TestParamInfo<Kind>& info) {
  return info.param == Kind::kSqlite ? "Sqlite" : "Postgres";
}

std::string ProgramPath(const std::string& name) {
  const fs::path path = fs::read_symlink("/proc/self/exe").parent_path() / name;
  if (!fs::exists(path)) throw std::runtime_error("build " + path.string() + " first");
  return path.string();
}

testing::PostgresCluster& SharedPostgres() { return testing::SharedPostgres(); }

World::World() {
  std::string name = (fs::temp_directory_path() / "tracker-e2e-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr)
    throw std::runtime_error("cannot make a folder for the test");
  folder_ = name;
}

World::~World() {
  servers_.clear();
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

std::string World::NewStore(Kind kind) {
  if (kind == Kind::kSqlite) return absl::StrCat("sqlite:", folder_, "/store", ++stores_, ".db");
  static int databases = 0;
  const std::string name = absl::StrCat("e2e", ++databases);
  if (absl::Status made = SharedPostgres().CreateDatabase(name); !made.ok())
    throw std::runtime_error(made.ToString());
  return SharedPostgres().Url(name);
}

testing::TrackerdProcess& World::Serve(const std::string& store_url,
                                       const std::vector<std::string>& flags) {
  auto server = testing::TrackerdProcess::Start(ProgramPath("trackerd"), store_url, flags);
  if (!server.ok()) throw std::runtime_error(server.status().ToString());
  servers_.push_back(*std::move(server));
  return *servers_.back();
}

Ended World::Run(const std::vector<std::string>& command, absl::Duration timeout,
                 bool heed_permissions) {
  const std::string out = absl::StrCat(folder_, "/out", ++runs_);
  const std::string err = absl::StrCat(folder_, "/err", runs_);
  WriteFile(out, "");
  WriteFile(err, "");
  // The shell parts the two outputs, and is the program from then on.
  std::vector<std::string> argv = {"/bin/sh", "-c", "exec \"$@\" 2>>\"$0\"", err};
  argv.insert(argv.end(), command.begin(), command.end());
  const absl::StatusOr<pid_t> pid = testing::StartChild(argv, {.output_file = out,
                                                               .working_folder = folder_,
                                                               .heed_permissions = heed_permissions,
                                                               .die_with_parent = true});
  if (!pid.ok()) throw std::runtime_error(pid.status().ToString());
  int status = 0;
  if (!testing::WaitForChild(*pid, timeout, &status)) {
    kill(*pid, SIGKILL);
    testing::WaitForChild(*pid, absl::Seconds(10), nullptr);
    throw std::runtime_error(absl::StrCat(command[0], " did not end within ",
                                          absl::FormatDuration(timeout), ": ", ReadFile(out),
                                          ReadFile(err)));
  }
  return {.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
          .out = ReadFile(out),
          .err = ReadFile(err)};
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

void WriteFile(const std::string& path, const std::string& content) {
  std::ofstream file(path, std::ios::binary);
  file << content;
  if (!file.flush()) throw std::runtime_error("cannot write " + path);
}

}  // namespace tracker::e2e
