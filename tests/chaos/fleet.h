// Everything that a chaos run runs: a database, two trackerds, worker processes, and the proxies
// between them; and what can be done to each.
//
//   worker ──▶ proxy ──▶ trackerd ──▶ proxy ──▶ PostgreSQL
//                        trackerd ──▶ SQLite's file
//
// Thread-compatible, part by part: one thread may meddle with the database while another meddles
// with a server, a link or a worker. Every method throws std::runtime_error when it cannot do what
// it says.
#pragma once

#include <sys/types.h>

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/postgres_cluster.h"
#include "tests/support/small_disk.h"
#include "tests/support/trackerd_process.h"

namespace tracker::chaos {

struct FleetOptions {
  bool sqlite = false;
  // Where the histories and the logs go.
  std::string folder;
  uint64_t seed = 0;
  int workers = 6;
  int threads = 3;
  absl::Duration pause = absl::Milliseconds(40);
};

inline constexpr int kServers = 2;

class Fleet {
 public:
  // Starts all but the workers, and sets the policies.
  explicit Fleet(const FleetOptions& options);
  ~Fleet();
  Fleet(const Fleet&) = delete;
  Fleet& operator=(const Fleet&) = delete;

  // The folder of the programs of this build.
  static std::string ProgramPath(const std::string& name);

  bool sqlite() const { return options_.sqlite; }
  // Null: SQLite.
  testing::PostgresCluster* postgres() { return postgres_.get(); }
  // Null: none can be mounted here.
  testing::SmallDisk* disk() { return disk_.get(); }
  std::string DatabaseUrl() const;
  std::string SqliteFile() const { return options_.folder + "/store.db"; }
  std::string ServerAddress(int server) const;

  void StopServer(int server, int signal);
  // With its wall clock so far from the machine's.
  void StartServer(int server, absl::Duration clock_shift = absl::ZeroDuration());
  // Sends a signal that does not end it.
  void SignalServer(int server, int signal);
  // SQLite: the next commits of this server are cut by its own death, at the n-th write.
  void ArmDeath(int server, int writes);

  testing::FaultProxy& client_link(int server) { return *client_links_[server]; }
  // Null with SQLite.
  testing::FaultProxy* database_link(int server);

  void StartWorkers();
  int workers() const { return options_.workers; }
  // Kills the worker of that place and starts another process in it.
  void ReplaceWorker(int place, absl::Duration clock_shift = absl::ZeroDuration());
  void SignalWorker(int place, int signal);
  // Lets them finish their calls.
  void StopWorkers();

  // The files of all workers so far.
  std::vector<std::string> histories() const;
  // The file for what the runner itself asks.
  std::string OwnHistory() const { return options_.folder + "/history.0"; }

 private:
  void StartPostgres();
  void StartTrackerds();
  void SetPolicies();
  void WriteServerScript(int server, absl::Duration clock_shift);
  std::string ScriptOf(int server) const;
  std::string DeathFile(int server) const;
  void StartWorker(int place, absl::Duration clock_shift);

  const FleetOptions options_;
  std::unique_ptr<testing::SmallDisk> disk_;
  std::unique_ptr<testing::PostgresCluster> postgres_;
  std::vector<std::unique_ptr<testing::FaultProxy>> database_links_;
  std::vector<std::unique_ptr<testing::TrackerdProcess>> servers_;
  std::vector<std::unique_ptr<testing::FaultProxy>> client_links_;
  mutable std::mutex mutex_;
  std::vector<pid_t> worker_pids_;
  int processes_ = 0;
};

}  // namespace tracker::chaos
