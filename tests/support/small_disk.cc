#include "tests/support/small_disk.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "absl/strings/str_cat.h"

namespace tracker::testing {
namespace {

constexpr size_t kChunk = 1024 * 1024;

}  // namespace

absl::StatusOr<std::unique_ptr<SmallDisk>> SmallDisk::Mount(int mebibytes) {
  std::unique_ptr<SmallDisk> disk(new SmallDisk);
  absl::StatusOr<std::unique_ptr<GuardedFolder>> folder = GuardedFolder::Make(TemporaryParent());
  if (!folder.ok()) return folder.status();
  disk->folder_ = *std::move(folder);
  disk->path_ = disk->folder_->path() + "/disk";
  if (mkdir(disk->path_.c_str(), 0755) != 0)
    return absl::ErrnoToStatus(errno, "cannot make a folder for a small disk");
  const std::string size = absl::StrCat("mode=1777,size=", mebibytes, "m");
  if (mount("tmpfs", disk->path_.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, size.c_str()) != 0)
    return absl::ErrnoToStatus(errno, "a small disk cannot be mounted");
  disk->mounted_ = true;
  return disk;
}

SmallDisk::~SmallDisk() {
  // Whatever still has a file open there keeps it, and nobody else sees it.
  if (mounted_) umount2(path_.c_str(), MNT_DETACH);
}

absl::Status SmallDisk::Fill() {
  const std::string ballast = path_ + "/ballast";
  const int file = open(ballast.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (file < 0) return absl::ErrnoToStatus(errno, "cannot write the ballast");
  const std::vector<char> chunk(kChunk, '.');
  // In ever smaller pieces, to the last byte.
  for (size_t piece = kChunk; piece > 0;) {
    if (write(file, chunk.data(), piece) <= 0) piece /= 2;
  }
  const bool full = errno == ENOSPC;
  close(file);
  return full ? absl::OkStatus() : absl::InternalError("the small disk does not fill");
}

absl::Status SmallDisk::Free() {
  if (unlink((path_ + "/ballast").c_str()) != 0)
    return absl::ErrnoToStatus(errno, "cannot take the ballast away");
  return absl::OkStatus();
}

}  // namespace tracker::testing
