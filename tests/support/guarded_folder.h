// A new folder that does not outlive the process that made it. It goes with the object. Should the
// process be killed, a watchdog of its own (watchdog.sh) ends what was started in the folder and
// removes it; should the watchdog be killed, too, the next one that is started beside it does so.
//
// Everybody may make files in it, as in /tmp: tests run some programs as another user.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace tracker::testing {

class GuardedFolder {
 public:
  // Makes PARENT/tracker-run-XXXXXX.
  static absl::StatusOr<std::unique_ptr<GuardedFolder>> Make(const std::string& parent);
  // Does nothing in a process that was forked from the one that made it.
  ~GuardedFolder();
  GuardedFolder(const GuardedFolder&) = delete;
  GuardedFolder& operator=(const GuardedFolder&) = delete;

  const std::string& path() const { return path_; }

 private:
  GuardedFolder() = default;

  // False: another watchdog took the folder for an old one before it was locked.
  absl::StatusOr<bool> MakeLocked(const std::string& parent);
  absl::Status StartWatchdog();

  // Constant after Make.
  std::string path_;
  pid_t maker_ = -1;
  // Locks the folder for as long as the process lives.
  int lock_ = -1;
  // The watchdog acts when the last copy of this end of its pipe is closed.
  int watchdog_pipe_ = -1;
};

// Where a program's temporary files go, as TMPDIR says; /tmp where that is too deep for a socket's
// path.
std::string TemporaryParent();

}  // namespace tracker::testing
