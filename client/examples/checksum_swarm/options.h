// What checksum_swarm was asked to do; the same for the parent and its workers.
#pragma once

#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace swarm {

struct Options {
  std::string directory;
  std::string server;
  std::string name_space;
  int workers = 4;
  absl::Duration lease;
  int max_attempts = 3;
  bool chaos = false;
  absl::Duration chaos_interval;
  uint64_t seed = 0;

  // Of a worker process.
  bool worker = false;
  int parent = 0;
  std::string acks;  // the file to which acknowledged successes are appended
};

}  // namespace swarm
