// Everything that can be set about trackerd, in one struct: each flag, its default and the reason.
// A flag --max-streams is also the environment variable TRACKER_MAX_STREAMS and the key max-streams
// of the config file. A flag on the command line wins over the environment, that over the file, and
// that over the default.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "server/logging.h"
#include "src/base/limits.h"

namespace tracker::server {

struct Config {
  // This machine only: who wants more should first think of who may reach it. Port 0: a free one.
  std::string listen = "127.0.0.1:7070";
  // One command runs it anywhere, with no database server.
  std::string store = "sqlite:tracker.db";
  // `trackerd migrate`: apply the migrations and leave.
  bool migrate_only = false;
  // Migrations are safe with replicas starting together, so they are applied by default; forbid
  // them where only an operator may change the schema.
  bool no_migrate = false;

  // Threads that commit writes, each on its own connection. 0: as many as the store has use for,
  // which is one on SQLite.
  int lanes = 0;
  // Threads and connections for Get, List and Count: enough to keep one slow List from holding up
  // the others on a small machine.
  int readers = 2;
  // The reaper (leases that are over, waits that are over) and the purge (finished tasks past their
  // retention) run on every replica, without getting in each other's way. Stop them where they are
  // to be run by hand (trackerctl admin expire, admin purge), or on some replicas only: without any
  // reaper a crashed worker's task comes back only when someone starts it by its id.
  bool no_reaper = false;
  bool no_purge = false;
  // Writes that may wait in each lane. About a second of work; more would only be answered too
  // late.
  int queue = limits::kLaneQueueCommands;
  // Calls at once on one connection; further ones wait in the client. A process with thousands of
  // worker threads on one channel gets by with it.
  int max_streams = 4096;
  // MiB that gRPC may hold for calls and connections; under pressure it turns new ones away. Full
  // queues of both lanes (2 x 64 MiB) and their messages on the way fit.
  int rpc_memory_mib = 512;

  // People start it first; collectors are configured.
  LogFormat log_format = LogFormat::kText;
  LogLevel log_level = LogLevel::kInfo;
  // Under the 30 s that orchestrators wait before they kill.
  absl::Duration drain_timeout = absl::Seconds(20);
};

// What became of the command line.
struct ParsedConfig {
  Config config;
  // Set: print `output` and leave with it. 0 after --help and --version, 2 after a mistake, whose
  // output is one line.
  std::optional<int> exit_code;
  std::string output;
};

// `args` without the program's name. Reads the environment, and the config file where one is named.
ParsedConfig ParseConfig(const std::vector<std::string>& args);

}  // namespace tracker::server
