// What trackerctl says when it did not work, and what to do about it.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace tracker::cli {

// The exit codes of trackerctl; its --help lists them.
enum ExitCode { kDone = 0, kRefused = 1, kUsage = 2, kUnavailable = 3 };

// What was asked, for the advice.
struct Asked {
  std::string server;
  // "trackerctl", with --server where it is not the default.
  std::string program;
  std::string name_space;
  std::string id;
  bool json = false;
};

// Prints the error on stderr (an object with --json) and answers the exit code.
int ExplainRefusal(const absl::Status& status, const Asked& asked);

}  // namespace tracker::cli
