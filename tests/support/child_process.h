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
  // Whom it runs as; 0: as this process. It can go wherever root can: it may lie, or be about to
  // work, below a folder that is closed to others, as root's home is.
  uid_t uid = 0;
  gid_t gid = 0;
  // As root: without root's power over permissions, so that a mode of a file or folder binds it as
  // it binds everybody else. It still owns what root owns, wherever that lies.
  bool heed_permissions = false;
  // Killed when the thread that started it ends, however it ends.
  bool die_with_parent = false;
};

// Runs argv[0] (a path) in a session of its own, with no other open files than those named. The
// caller waits for it. A child that cannot become the program says why in its output, and ends with
// 126 or 127.
absl::StatusOr<pid_t> StartChild(const std::vector<std::string>& argv, const ChildOptions& options);

// Waits until the child has ended, at most for `timeout`, and says whether it has. `exit_status`
// as from waitpid; may be null.
bool WaitForChild(pid_t pid, absl::Duration timeout, int* exit_status);

// "exit status 1", "signal 11": for a failure message.
std::string DescribeExit(int exit_status);

}  // namespace tracker::testing
