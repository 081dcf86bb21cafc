// The files of a directory as tasks. Pure, but for FindFiles and Sha256, which read the disk.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tracker/client.h"

namespace swarm {

struct FoundFiles {
  // Relative to the directory, sorted; any bytes but NUL.
  std::vector<std::string> paths;
  // Directories that could not be read, with the reason.
  std::vector<std::string> skipped;
};

// Every regular file below `directory`; symbolic links are not followed.
absl::StatusOr<FoundFiles> FindFiles(const std::string& directory);

// The task of a file. Its id is the path; a path that cannot be an id (too long, not UTF-8, control
// characters) is percent-encoded in the data, and the id is "path-sha256/" and its digest.
tracker::NewTask TaskOfPath(const std::string& name_space, const std::string& path);
// The other way.
absl::StatusOr<std::string> PathOfTask(const tracker::Task& task);

struct Digest {
  std::string sha256;  // hexadecimal
  int64_t bytes = 0;
};

// Reads the file in pieces. Aborted when `stop` asks for it; other errors say what the system said,
// and NotFound, PermissionDenied or FailedPrecondition that it would say so again.
absl::StatusOr<Digest> Sha256OfFile(const std::string& path, const std::stop_token& stop);

}  // namespace swarm
