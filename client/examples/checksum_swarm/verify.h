// The check at the end: did every file get done exactly once, and right?
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/examples/checksum_swarm/options.h"
#include "tracker/client.h"

namespace swarm {

struct Verdict {
  std::map<tracker::TaskStatus, int64_t> statuses;
  int64_t bytes = 0;
  // Attempts that ended with their worker, as the tasks' errors tell.
  int64_t crashed_attempts = 0;
  // Files that nobody can read, with the reason that is on record.
  std::vector<std::string> unreadable;
  // Digests that sha256sum confirmed.
  int64_t confirmed = 0;
  int64_t acknowledged = 0;
  // What is wrong; empty: all holds.
  std::vector<std::string> problems;
};

// Holds the tasks against the `sha256sum` command run on the files, and against the
// acknowledgements that the workers wrote down. `folder` is for temporary files.
absl::StatusOr<Verdict> Verify(tracker::Client& client, const Options& options,
                               const std::vector<std::string>& paths, const std::string& folder);

}  // namespace swarm
