#include "tests/support/small_disk.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"

namespace tracker::testing {

absl::StatusOr<std::unique_ptr<SmallDisk>> SmallDisk::Mount(int64_t bytes) {
  absl::StatusOr<std::unique_ptr<GuardedFolder>> folder = GuardedFolder::Make(TemporaryParent());
  if (!folder.ok()) return folder.status();
  std::unique_ptr<SmallDisk> disk(new SmallDisk);
  disk->folder_ = *std::move(folder);
  // Short: a socket's path may lie below.
  disk->path_ = disk->folder_->path() + "/d";
  if (mkdir(disk->path_.c_str(), 0755) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot make ", disk->path_));
  }
  const std::string options = absl::StrCat("mode=1777,size=", bytes);
  if (mount("tmpfs", disk->path_.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, options.c_str()) != 0) {
    if (errno == EPERM || errno == EACCES) {
      return absl::PermissionDeniedError(
          "a small disk cannot be mounted here: that needs root with CAP_SYS_ADMIN, which a "
          "container mostly does not have");
    }
    return absl::ErrnoToStatus(errno, "a small disk cannot be mounted");
  }
  disk->mounted_ = true;
  return disk;
}

SmallDisk::~SmallDisk() {
  // Also while a file in it is still open.
  if (mounted_) umount2(path_.c_str(), MNT_DETACH);
}

absl::Status SmallDisk::Fill() {
  const int file = open(Ballast().c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (file < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot write ", Ballast()));
  const std::string much(1024 * 1024, 'x');
  while (write(file, much.data(), much.size()) > 0) {
  }
  const int error = errno;
  close(file);
  return error == ENOSPC ? absl::OkStatus()
                         : absl::ErrnoToStatus(error, absl::StrCat("cannot fill ", path_));
}

absl::Status SmallDisk::Free() {
  if (unlink(Ballast().c_str()) == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, absl::StrCat("cannot remove ", Ballast()));
}

}  // namespace tracker::testing
