#include "tests/support/guarded_folder.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "tests/support/child_process.h"

namespace tracker::testing {
namespace {

namespace fs = std::filesystem;

constexpr char kName[] = "tracker-run-XXXXXX";
// A watchdog takes a folder before it is locked hardly ever, and not again and again.
constexpr int kTries = 10;
constexpr absl::Duration kWatchdogStart = absl::Seconds(30);
// Of the 107 bytes of a socket's path; the rest is for the folders and the socket below.
constexpr size_t kLongestParent = 40;

}  // namespace

absl::StatusOr<std::unique_ptr<GuardedFolder>> GuardedFolder::Make(const std::string& parent) {
  for (int i = 0; i < kTries; ++i) {
    std::unique_ptr<GuardedFolder> folder(new GuardedFolder);
    const absl::StatusOr<bool> made = folder->MakeLocked(parent);
    if (!made.ok()) return made.status();
    if (!*made) continue;
    if (absl::Status status = folder->StartWatchdog(); !status.ok()) return status;
    return folder;
  }
  return absl::UnavailableError(absl::StrCat("each new folder in ", parent, " is removed at once"));
}

absl::StatusOr<bool> GuardedFolder::MakeLocked(const std::string& parent) {
  std::string name = (fs::absolute(parent) / kName).string();
  if (mkdtemp(name.data()) == nullptr) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot make a folder in ", parent));
  }
  path_ = name;
  maker_ = getpid();
  lock_ = open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (lock_ < 0) return false;
  struct stat locked = {};
  struct stat there = {};
  if (flock(lock_, LOCK_EX) != 0 || fstat(lock_, &locked) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot lock ", name));
  }
  if (stat(name.c_str(), &there) != 0 || there.st_ino != locked.st_ino) return false;
  if (chmod(name.c_str(), 01777) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot open up ", name));
  }
  return true;
}

absl::Status GuardedFolder::StartWatchdog() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "cannot make a pipe");
  // Not a child of this process: who kills a test with all its children does not mean the watchdog.
  const absl::StatusOr<pid_t> starter =
      StartChild({"/bin/sh", "-c", "exec 3<&0; \"$0\" \"$1\" <&3 3<&- &", TRACKER_WATCHDOG, path_},
                 {.input = ends[0]});
  close(ends[0]);
  watchdog_pipe_ = ends[1];
  if (!starter.ok()) return starter.status();
  int exit_status = 0;
  if (!WaitForChild(*starter, kWatchdogStart, &exit_status) || exit_status != 0) {
    return absl::InternalError("the watchdog cannot be started");
  }
  return absl::OkStatus();
}

GuardedFolder::~GuardedFolder() {
  if (maker_ == getpid()) {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  if (watchdog_pipe_ >= 0) close(watchdog_pipe_);
  if (lock_ >= 0) close(lock_);
}

std::string TemporaryParent() {
  constexpr char kDefault[] = "/tmp";
  std::error_code error;
  const fs::path folder = fs::temp_directory_path(error);
  if (error || folder.native().size() > kLongestParent) return kDefault;
  return folder;
}

}  // namespace tracker::testing
