#include "tests/support/postgres_cluster.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <pqxx/pqxx>
#include <sstream>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "tests/support/child_process.h"

namespace tracker::testing {
namespace {

namespace fs = std::filesystem;

// A unix socket's path has at most this many bytes, and the server adds the name of the socket.
constexpr size_t kSocketPathBytes = 107;
constexpr absl::string_view kSocketName = "/.s.PGSQL.65535";
constexpr absl::Duration kStartTimeout = absl::Seconds(60);
constexpr absl::Duration kStopTimeout = absl::Seconds(60);
// Another process may take the free port before the server does.
constexpr int kPortTries = 5;

bool HasServer(const fs::path& folder) {
  std::error_code ignored;
  return fs::exists(folder / "initdb", ignored) && fs::exists(folder / "postgres", ignored);
}

// Where initdb and postgres are: on PATH, else the newest that Debian's packages have brought.
absl::StatusOr<std::string> FindProgramFolder() {
  if (const char* path = std::getenv("PATH")) {
    for (absl::string_view folder : absl::StrSplit(path, ':', absl::SkipEmpty())) {
      const fs::path initdb = fs::path(std::string(folder)) / "initdb";
      std::error_code ignored;
      // A link on PATH leads to the folder that has psql and pgbench, too.
      const fs::path programs = fs::canonical(initdb, ignored).parent_path();
      if (!ignored && HasServer(programs)) return programs.string();
    }
  }
  int newest = 0;
  std::string found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/usr/lib/postgresql", error)) {
    int version = 0;
    if (!absl::SimpleAtoi(entry.path().filename().string(), &version)) continue;
    if (version <= newest || !HasServer(entry.path() / "bin")) continue;
    newest = version;
    found = (entry.path() / "bin").string();
  }
  if (found.empty()) {
    return absl::NotFoundError("no initdb on PATH or in /usr/lib/postgresql; install postgresql");
  }
  return found;
}

absl::StatusOr<int> FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  const bool bound = fd >= 0 && bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                     getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  const int error = errno;
  if (fd >= 0) close(fd);
  if (!bound) return absl::ErrnoToStatus(error, "cannot find a free port");
  return ntohs(address.sin_port);
}

}  // namespace

absl::StatusOr<std::unique_ptr<PostgresCluster>> PostgresCluster::Start(
    const PostgresClusterOptions& options) {
  absl::StatusOr<std::string> programs = FindProgramFolder();
  if (!programs.ok()) return programs.status();
  std::unique_ptr<PostgresCluster> cluster(new PostgresCluster);
  cluster->program_folder_ = *std::move(programs);
  if (absl::Status status = cluster->MakeFolder(options); !status.ok()) return status;
  if (absl::Status status = cluster->Initialize(options); !status.ok()) return status;
  if (absl::Status status = cluster->StartOnFreePort(); !status.ok()) return status;
  return cluster;
}

PostgresCluster::~PostgresCluster() {
  if (!frozen_.empty()) KillAtOnce().IgnoreError();
  if (running()) Crash().IgnoreError();
}

absl::Status PostgresCluster::MakeFolder(const PostgresClusterOptions& options) {
  absl::StatusOr<std::unique_ptr<GuardedFolder>> folder = GuardedFolder::Make(
      options.parent_folder.empty() ? TemporaryParent() : options.parent_folder);
  if (!folder.ok()) return folder.status();
  folder_ = *std::move(folder);
  if (folder_->path().size() + kSocketName.size() > kSocketPathBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(folder_->path(), " is too long a path for a unix socket"));
  }
  if (geteuid() != 0) return absl::OkStatus();
  const passwd* user = getpwnam("postgres");
  if (user == nullptr) user = getpwnam("nobody");
  if (user == nullptr) return absl::NotFoundError("no user to run PostgreSQL as");
  uid_ = user->pw_uid;
  gid_ = user->pw_gid;
  return absl::OkStatus();
}

absl::StatusOr<pid_t> PostgresCluster::StartProgram(const std::vector<std::string>& command) {
  return StartChild(
      command,
      {.output_file = LogFile(), .working_folder = folder_->path(), .uid = uid_, .gid = gid_});
}

absl::Status PostgresCluster::RunInitdb(const std::vector<std::string>& locale_arguments) {
  std::vector<std::string> command = {absl::StrCat(program_folder_, "/initdb"),
                                      "--pgdata",
                                      DataFolder(),
                                      "--username=postgres",
                                      "--auth=trust",
                                      "--encoding=UTF8",
                                      "--no-sync"};
  command.insert(command.end(), locale_arguments.begin(), locale_arguments.end());
  return RunToEnd(command);
}

absl::Status PostgresCluster::RunToEnd(const std::vector<std::string>& command) {
  const absl::StatusOr<pid_t> pid = StartProgram(command);
  if (!pid.ok()) return pid.status();
  int exit_status = 0;
  if (!WaitForChild(*pid, kStartTimeout, &exit_status)) {
    kill(*pid, SIGKILL);
    WaitForChild(*pid, kStopTimeout, nullptr);
    return absl::DeadlineExceededError(absl::StrCat(command[0], " did not end"));
  }
  if (exit_status != 0) {
    return absl::InternalError(
        absl::StrCat(command[0], " ended with ", DescribeExit(exit_status), ": ", LogTail()));
  }
  return absl::OkStatus();
}

absl::Status PostgresCluster::Initialize(const PostgresClusterOptions& options) {
  absl::Status status = absl::UnknownError("no locale asked for");
  if (!options.icu_locale.empty()) {
    status = RunInitdb(
        {"--locale=C", "--locale-provider=icu", absl::StrCat("--icu-locale=", options.icu_locale)});
  }
  // A server of before 15, or one built without ICU.
  if (!status.ok()) status = RunInitdb({"--locale=C"});
  if (status.ok()) UseSettings(options);
  return status;
}

void PostgresCluster::UseSettings(const PostgresClusterOptions& options) {
  settings_ = {"listen_addresses=127.0.0.1",
               absl::StrCat("unix_socket_directories=", folder_->path()),
               absl::StrCat("max_connections=", options.max_connections),
               absl::StrCat("fsync=", options.fsync ? "on" : "off"), "logging_collector=off",
               // In the cluster's folder: what a killed server leaves in memory would stay there.
               "dynamic_shared_memory_type=mmap"};
  settings_.insert(settings_.end(), options.settings.begin(), options.settings.end());
}

absl::Status PostgresCluster::StartOnFreePort() {
  absl::Status status;
  for (int i = 0; i < kPortTries; ++i) {
    absl::StatusOr<int> port = FreePort();
    if (!port.ok()) return port.status();
    port_ = *port;
    status = StartAgain();
    if (status.ok()) break;
  }
  return status;
}

absl::Status PostgresCluster::StartAgain() {
  if (running()) return absl::FailedPreconditionError("PostgreSQL is running already");
  std::vector<std::string> command = {absl::StrCat(program_folder_, "/postgres"), "-D",
                                      DataFolder(), "-p", absl::StrCat(port_)};
  for (const std::string& setting : settings_) {
    command.push_back("-c");
    command.push_back(setting);
  }
  const absl::StatusOr<pid_t> pid = StartProgram(command);
  if (!pid.ok()) return pid.status();
  server_ = *pid;
  return WaitUntilReady();
}

absl::Status PostgresCluster::WaitUntilReady() {
  const absl::Time end = absl::Now() + kStartTimeout;
  std::string last_error;
  while (absl::Now() < end) {
    int exit_status = 0;
    if (WaitForChild(server_, absl::ZeroDuration(), &exit_status)) {
      server_ = -1;
      return absl::UnavailableError(absl::StrCat("PostgreSQL ended at once with ",
                                                 DescribeExit(exit_status), ": ", LogTail()));
    }
    try {
      pqxx::connection connection(Url("postgres"));
      return absl::OkStatus();
    } catch (const std::exception& e) {
      last_error = e.what();
    }
    absl::SleepFor(absl::Milliseconds(20));
  }
  Crash().IgnoreError();
  return absl::DeadlineExceededError(absl::StrCat("PostgreSQL did not start: ", last_error));
}

absl::Status PostgresCluster::Stop() { return StopBy(SIGINT); }

absl::Status PostgresCluster::Crash() { return StopBy(SIGQUIT); }

absl::Status PostgresCluster::StopBy(int signal) {
  if (!running()) return absl::FailedPreconditionError("PostgreSQL is not running");
  if (!frozen_.empty()) return KillAtOnce();
  kill(server_, signal);
  if (!WaitForChild(server_, kStopTimeout, nullptr)) {
    kill(server_, SIGKILL);
    WaitForChild(server_, kStopTimeout, nullptr);
    server_ = -1;
    return absl::DeadlineExceededError(absl::StrCat("PostgreSQL had to be killed: ", LogTail()));
  }
  server_ = -1;
  return absl::OkStatus();
}

bool PostgresCluster::AwaitEnd(absl::Duration timeout) {
  if (running() && !WaitForChild(server_, timeout, nullptr)) return false;
  server_ = -1;
  return true;
}

std::string PostgresCluster::Url(absl::string_view database) const {
  return absl::StrCat("postgresql://postgres@127.0.0.1:", port_, "/", database);
}

absl::Status PostgresCluster::CreateDatabase(absl::string_view name) const {
  try {
    pqxx::connection connection(Url("postgres"));
    pqxx::nontransaction work(connection);
    work.exec(absl::StrCat("CREATE DATABASE ", connection.quote_name(std::string(name))));
  } catch (const std::exception& e) {
    return absl::InternalError(absl::StrCat("cannot make database ", name, ": ", e.what()));
  }
  return absl::OkStatus();
}

std::string PostgresCluster::LogTail() const {
  constexpr size_t kTailBytes = 2000;
  std::ifstream file(LogFile());
  std::stringstream text;
  text << file.rdbuf();
  const std::string all = text.str();
  return all.size() <= kTailBytes ? all : all.substr(all.size() - kTailBytes);
}

}  // namespace tracker::testing
