// Starts a program from a process that may have many threads. Thread-safe.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace tracker::testing {

struct ChildOptions {
  // Its standard input; -1: empty.
  int input = -1;
  // The file that its output and errors are appended to; empty: thrown away.
  std::string output_file;
  std::string working_folder = "/";
  // Whom it runs as; 0: as this process.
  uid_t uid = 0;
  gid_t gid = 0;
  // Killed when the thread that started it ends, however it ends.
  bool die_with_parent = false;
};

// Runs argv[0] (a path) in a session of its own, with no other open files than those named. The
// caller waits for it.
absl::StatusOr<pid_t> StartChild(const std::vector<std::string>& argv, const ChildOptions& options);

// Waits until the child has ended, at most for `timeout`, and says whether it has. `exit_status`
// as from waitpid; may be null.
bool WaitForChild(pid_t pid, absl::Duration timeout, int* exit_status);

}  // namespace tracker::testing
