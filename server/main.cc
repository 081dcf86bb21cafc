// trackerd: reads its configuration, opens the store, serves until it is told to stop.
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "server/config.h"
#include "server/file_limit.h"
#include "server/grpc_server.h"
#include "server/health.h"
#include "server/logging.h"
#include "server/self_check.h"
#include "server/stop_signals.h"
#include "server/store_log.h"
#include "src/service/tracker.h"
#include "src/store/store.h"

namespace tracker::server {
namespace {

// What cannot be started: the flags, the store, the address. Orchestrators should not expect that
// trying again helps.
constexpr int kCannotStart = 2;

// Nobody can connect any more, and only a new process helps: a supervisor should start one.
constexpr int kListenerDead = 3;

// What PostgreSQL is connected to for besides lanes and readers, at most (docs/operations.md).
constexpr int kOtherConnections = 18;
// Of a store that says how many it has use for.
constexpr int kUsualLanes = 2;

// Answers that are done travel this long before connections are cut; only health watchers, who
// would stay for ever, use it up.
constexpr absl::Duration kFlush = absl::Seconds(1);

int CannotStart(const absl::Status& status) {
  std::fprintf(stderr, "trackerd: %s\n", std::string(status.message()).c_str());
  return kCannotStart;
}

absl::StatusOr<std::unique_ptr<store::Store>> OpenStore(const Config& config, StoreLog* log) {
  store::OpenOptions options{.migrate = !config.no_migrate, .readers = config.readers};
  options.on_event = [log](const store::StoreEvent& event) { log->On(event); };
  if (config.lanes > 0) options.writers = config.lanes;
  return store::Open(config.store, options);
}

service::TrackerOptions ServiceOptions(const Config& config, Health* health) {
  service::TrackerOptions options;
  options.lanes = config.lanes;
  options.lane_queue_commands = config.queue;
  options.readers = config.readers;
  options.reap = !config.no_reaper;
  options.purge = !config.no_purge;
  options.on_pause = [](const domain::Policy& policy) {
    Log(LogLevel::kWarn, "namespace_paused",
        {{"namespace", policy.name_space}, {"reason", policy.pause_reason}});
  };
  options.on_health = [health](bool healthy, const std::string& reason) {
    health->OnStore(healthy, reason);
  };
  return options;
}

void CheckFileLimit(const Config& config) {
  const int64_t limit = RaiseFileLimit();
  if (limit < 0) return;
  const int lanes = config.lanes > 0 ? config.lanes : kUsualLanes;
  const int64_t connections = ConnectionsWithin(limit, lanes + config.readers + kOtherConnections);
  if (connections >= kFewConnections) return;
  Log(LogLevel::kWarn, "few_open_files",
      {{"limit", limit},
       {"client_connections", connections},
       {"advice",
        "raise the hard limit of open files (LimitNOFILE= of systemd, ulimits of a container); "
        "when it is reached nobody can connect any more, and trackerd ends"}});
}

// Has the process end as after SIGTERM; calls that are open are still answered.
void OnDeadListener(const std::string& address, std::atomic<bool>& dead) {
  Log(LogLevel::kError, "listener_dead",
      {{"address", address},
       {"advice",
        "nobody can connect any more, most likely since file descriptors ran out; this trackerd "
        "ends for its supervisor to start it again: raise the limit of open files (LimitNOFILE= of "
        "systemd, ulimits of a container), or spread the clients over more servers"}});
  dead = true;
  kill(getpid(), SIGTERM);
}

// Clients are sent away first: were new calls refused for a while before that, those who repeat
// them at once would still be coming in as the connections close, and gRPC answers such a call with
// CANCELLED, which few take for 'repeat it elsewhere'. What is under way is finished meanwhile.
void Drain(GrpcServer& server, service::Tracker& tracker, Health& health) {
  health.Drain();
  server.Drain([&tracker] { tracker.Stop(); }, kFlush);
}

int Serve(const Config& config) {
  StoreLog store_log;
  absl::StatusOr<std::unique_ptr<store::Store>> store = OpenStore(config, &store_log);
  if (!store.ok()) return CannotStart(store.status());
  if (config.migrate_only) {
    Log(LogLevel::kInfo, "migrated", {{"store", store::WithoutPassword(config.store)}});
    return 0;
  }
  Health health;
  service::Tracker tracker(*std::move(store), ServiceOptions(config, &health));
  absl::StatusOr<std::unique_ptr<GrpcServer>> server = GrpcServer::Start(config, &tracker, &health);
  if (!server.ok()) return CannotStart(server.status());
  Log(LogLevel::kInfo, "listening",
      {{"address", (*server)->address()},
       {"store", store::WithoutPassword(config.store)},
       {"version", TRACKER_VERSION}});

  std::atomic<bool> dead{false};
  std::optional<SelfCheck> self_check;
  self_check.emplace((*server)->address(),
                     [&dead](const std::string& address) { OnDeadListener(address, dead); });
  const std::string signal = WaitForStopSignal([] {
    // Every setting holds until the end of the process.
    Log(LogLevel::kInfo, "reload", {{"signal", "SIGHUP"}, {"result", "nothing to reload"}});
  });
  self_check.reset();
  Log(LogLevel::kInfo, "draining",
      {{"signal", signal}, {"timeout", absl::FormatDuration(config.drain_timeout)}});
  {
    DrainWatch watch(config.drain_timeout);
    Drain(**server, tracker, health);
  }
  Log(LogLevel::kInfo, "stopped");
  return dead ? kListenerDead : 0;
}

int Main(int argc, char** argv) {
  BlockStopSignals();
  // Debian builds Abseil with its deadlock detection on, which costs every lock of gRPC and ours a
  // look-up.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  const ParsedConfig parsed = ParseConfig(std::vector<std::string>(argv + 1, argv + argc));
  if (parsed.exit_code) {
    std::fputs(parsed.output.c_str(), *parsed.exit_code == 0 ? stdout : stderr);
    return *parsed.exit_code;
  }
  InitLogging(parsed.config.log_format, parsed.config.log_level);
  TakeOverLibraryLogs();
  CheckFileLimit(parsed.config);
  return Serve(parsed.config);
}

}  // namespace
}  // namespace tracker::server

int main(int argc, char** argv) { return tracker::server::Main(argc, argv); }
