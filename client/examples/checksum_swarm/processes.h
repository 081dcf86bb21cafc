// The worker processes of a swarm: started, watched, killed at random, started anew.
//
// Not thread-safe. The workers are killed with the object.
#pragma once

#include <sys/types.h>

#include <random>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/examples/checksum_swarm/options.h"

namespace swarm {

class Processes {
 public:
  explicit Processes(const Options& options);
  ~Processes();
  Processes(const Processes&) = delete;
  Processes& operator=(const Processes&) = delete;

  absl::Status Start();
  // Sees who has ended, starts anew who was killed or gave up, kills when it is time to. Error:
  // workers end again and again on their own.
  absl::Status Tend();

  // Every worker has found that nothing is left to do.
  bool done() const;
  int running() const;
  int killed() const { return killed_; }

 private:
  struct Slot {
    pid_t pid = -1;
    bool finished = false;
    bool killed = false;
  };

  absl::Status Spawn(Slot* slot);
  void KillOne();

  const Options& options_;
  std::vector<Slot> slots_;
  std::mt19937_64 random_;
  absl::Time next_kill_ = absl::InfiniteFuture();
  int killed_ = 0;
  int spawned_ = 0;
  int gave_up_ = 0;
};

// Runs a command (found on PATH) in `directory`, with files as stdin and stdout, until it ends; its
// exit code.
absl::StatusOr<int> RunCommand(const std::vector<std::string>& command,
                               const std::string& directory, const std::string& in,
                               const std::string& out);

}  // namespace swarm
