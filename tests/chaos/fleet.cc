#include "tests/chaos/fleet.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "server/encode.h"
#include "tests/chaos/namespaces.h"
#include "tests/e2e/api.h"
#include "tests/e2e/world.h"
#include "tests/support/child_process.h"

namespace tracker::chaos {
namespace {

namespace fs = std::filesystem;

// The database and its log, with room for a full run of them; small enough to fill in a moment.
constexpr int64_t kDiskBytes = int64_t{400} * 1024 * 1024;
// What both trackerds need at most, and some for strangers.
constexpr int kMaxConnections = 80;
constexpr char kDatabase[] = "chaos";
constexpr absl::Duration kStartLimit = absl::Seconds(30);
constexpr absl::Duration kSupervisorPause = absl::Milliseconds(200);

template <typename T>
T Must(absl::StatusOr<T> value) {
  if (!value.ok()) throw std::runtime_error(value.status().ToString());
  return *std::move(value);
}
void Must(const absl::Status& status) {
  if (!status.ok()) throw std::runtime_error(status.ToString());
}

// Never to a group, nor to all.
void Signal(pid_t pid, int signal) {
  if (pid <= 0) throw std::runtime_error("there is no such process");
  kill(pid, signal);
}

int PortOf(const std::string& address) {
  return std::atoi(address.substr(address.rfind(':') + 1).c_str());
}

// Where Debian and Ubuntu have it.
std::string FaketimeLibrary() {
  for (const fs::directory_entry& folder : fs::directory_iterator("/usr/lib")) {
    const fs::path library = folder.path() / "faketime" / "libfaketime.so.1";
    if (fs::exists(library)) return library.string();
  }
  throw std::runtime_error("libfaketime is not installed: run scripts/bootstrap test");
}

// Only the wall clock is faked: whatever is a duration goes by the other one.
std::string FaketimeVariables(absl::Duration shift) {
  if (shift == absl::ZeroDuration()) return "";
  return absl::StrCat(
      "FAKETIME=", shift > absl::ZeroDuration() ? "+" : "", absl::ToInt64Seconds(shift),
      "s FAKETIME_DONT_FAKE_MONOTONIC=1 DONT_FAKE_MONOTONIC=1 LD_PRELOAD=", FaketimeLibrary(), " ");
}

}  // namespace

Fleet::Fleet(const FleetOptions& options) : options_(options), worker_pids_(options.workers, -1) {
  if (!options_.sqlite) StartPostgres();
  StartTrackerds();
  SetPolicies();
}

Fleet::~Fleet() {
  for (const pid_t pid : worker_pids_) {
    if (pid <= 0) continue;
    kill(pid, SIGKILL);
    testing::WaitForChild(pid, kStartLimit, nullptr);
  }
}

std::string Fleet::ProgramPath(const std::string& name) { return e2e::ProgramPath(name); }

void Fleet::StartPostgres() {
  auto disk = testing::SmallDisk::Mount(kDiskBytes);
  if (disk.ok()) disk_ = *std::move(disk);
  testing::PostgresClusterOptions options{
      .max_connections = kMaxConnections,
      // It recovers quickly, and leaves most of a small disk free.
      .settings = {"max_wal_size=64MB", "min_wal_size=32MB", "log_min_duration_statement=1000"}};
  if (disk_) options.parent_folder = disk_->path();
  postgres_ = Must(testing::PostgresCluster::Start(options));
  Must(postgres_->CreateDatabase(kDatabase));
}

std::string Fleet::DatabaseUrl() const { return postgres_->Url(kDatabase); }

std::string Fleet::ScriptOf(int server) const {
  return absl::StrCat(options_.folder, "/trackerd-", server, ".sh");
}

std::string Fleet::DeathFile(int server) const {
  return absl::StrCat(options_.folder, "/death-", server);
}

void Fleet::WriteServerScript(int server, absl::Duration clock_shift) {
  std::string variables = FaketimeVariables(clock_shift);
  if (options_.sqlite) {
    variables = absl::StrCat("TRACKER_TEST_DEATH_FILE=", DeathFile(server),
                             " LD_PRELOAD=", ProgramPath("dying_commit.so"), " ");
  }
  e2e::WriteFile(ScriptOf(server),
                 absl::StrCat("#!/bin/sh\n", variables,
                              "ASAN_OPTIONS=$ASAN_OPTIONS:verify_asan_link_order=0 exec ",
                              ProgramPath("trackerd"), " \"$@\"\n"));
  chmod(ScriptOf(server).c_str(), 0755);
}

void Fleet::StartTrackerds() {
  for (int server = 0; server < kServers; ++server) {
    std::string url = absl::StrCat("sqlite:", SqliteFile());
    if (!options_.sqlite) {
      database_links_.push_back(Must(testing::FaultProxy::Start(postgres_->port())));
      url = absl::StrCat("postgresql://postgres@127.0.0.1:", database_links_.back()->port(), "/",
                         kDatabase, "?sslmode=disable&gssencmode=disable");
    }
    if (options_.sqlite) ArmDeath(server, 0);
    WriteServerScript(server, absl::ZeroDuration());
    servers_.push_back(Must(testing::TrackerdProcess::Start(ScriptOf(server), url)));
    client_links_.push_back(Must(testing::FaultProxy::Start(PortOf(servers_.back()->address()))));
  }
}

void Fleet::SetPolicies() {
  e2e::Api api(servers_[0]->address());
  for (const auto& [name, policy] : ChaosPolicies()) {
    v1::SetPolicyRequest request;
    server::EncodePolicy(*policy, request.mutable_policy());
    const auto reply = api.Call(request);
    if (!reply.ok()) throw std::runtime_error("SetPolicy: " + reply.Verdict());
  }
  // The other server follows within a second or so; it must before the first command is decided.
  e2e::Api other(servers_[1]->address());
  for (const auto& [name, policy] : ChaosPolicies()) {
    const bool follows = e2e::Await([&, name = name, attempts = policy->max_attempts] {
      v1::CreateRequest probe;
      probe.set_namespace_(name);
      probe.set_id("probe");
      const auto made = other.Call(probe);
      v1::DeleteRequest remove;
      remove.set_namespace_(name);
      remove.set_id("probe");
      (void)other.Call(remove);
      return made.ok() && made.body.task().max_attempts() == attempts;
    });
    if (!follows) throw std::runtime_error("the second trackerd does not follow the policies");
  }
}

std::string Fleet::ServerAddress(int server) const { return servers_[server]->address(); }

void Fleet::StopServer(int server, int signal) {
  if (!servers_[server]->running()) return;
  Must(servers_[server]->StopBy(signal, kStartLimit).status());
}

void Fleet::StartServer(int server, absl::Duration clock_shift) {
  WriteServerScript(server, clock_shift);
  // It ends where it finds no database, and its supervisor starts it again.
  absl::Status started;
  const bool up = e2e::Await(
      [&] {
        started = servers_[server]->StartAgain();
        if (!started.ok()) absl::SleepFor(kSupervisorPause);
        return started.ok();
      },
      kStartLimit);
  if (!up) Must(started);
}

void Fleet::SignalServer(int server, int signal) { Signal(servers_[server]->pid(), signal); }

void Fleet::ArmDeath(int server, int writes) {
  // In place: trackerd has the file mapped.
  const auto number = static_cast<int64_t>(writes);
  const int file = open(DeathFile(server).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  const bool written = pwrite(file, &number, sizeof(number), 0) == sizeof(number);
  close(file);
  if (!written) throw std::runtime_error("cannot write " + DeathFile(server));
}

testing::FaultProxy* Fleet::database_link(int server) {
  return database_links_.empty() ? nullptr : database_links_[server].get();
}

void Fleet::StartWorker(int place, absl::Duration clock_shift) {
  int process = 0;
  {
    const std::lock_guard lock(mutex_);
    process = ++processes_;
  }
  // A shell, so that the library of another clock gets into the worker and nothing else.
  std::string command = absl::StrCat(
      FaketimeVariables(clock_shift), "exec ", ProgramPath("chaos_worker"), " ", process, " ",
      options_.seed, " ", options_.threads, " ", absl::ToInt64Milliseconds(options_.pause), " ",
      options_.folder, "/history.", process);
  for (const auto& link : client_links_) absl::StrAppend(&command, " 127.0.0.1:", link->port());
  const pid_t pid = Must(testing::StartChild(
      {"/bin/sh", "-c", command}, {.output_file = absl::StrCat(options_.folder, "/workers.log"),
                                   .working_folder = options_.folder,
                                   .die_with_parent = true}));
  const std::lock_guard lock(mutex_);
  worker_pids_[place] = pid;
}

void Fleet::StartWorkers() {
  for (int place = 0; place < options_.workers; ++place) StartWorker(place, absl::ZeroDuration());
}

void Fleet::ReplaceWorker(int place, absl::Duration clock_shift) {
  Signal(worker_pids_[place], SIGKILL);
  testing::WaitForChild(worker_pids_[place], kStartLimit, nullptr);
  StartWorker(place, clock_shift);
}

void Fleet::SignalWorker(int place, int signal) { Signal(worker_pids_[place], signal); }

void Fleet::StopWorkers() {
  for (const pid_t pid : worker_pids_) Signal(pid, SIGTERM);
  for (pid_t& pid : worker_pids_) {
    if (!testing::WaitForChild(pid, kStartLimit, nullptr)) {
      kill(pid, SIGKILL);
      testing::WaitForChild(pid, kStartLimit, nullptr);
    }
    pid = -1;
  }
}

std::vector<std::string> Fleet::histories() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> files;
  for (int process = 0; process <= processes_; ++process) {
    const std::string file = absl::StrCat(options_.folder, "/history.", process);
    if (fs::exists(file)) files.push_back(file);
  }
  return files;
}

}  // namespace tracker::chaos
