// A disk that can be filled: a tmpfs below a GuardedFolder. Mounting needs a privilege that few
// have (CAP_SYS_ADMIN); a test that cannot have it says so.
//
// Thread-compatible.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tests/support/guarded_folder.h"

namespace tracker::testing {

class SmallDisk {
 public:
  // PermissionDenied where mounting is not allowed.
  static absl::StatusOr<std::unique_ptr<SmallDisk>> Mount(int mebibytes);
  // Unmounts it; by then nothing may run on it any more.
  ~SmallDisk();
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  // Everybody may write there.
  const std::string& path() const { return path_; }

  // Writes until nothing is left of it; and takes that away again.
  absl::Status Fill();
  absl::Status Free();

 private:
  SmallDisk() = default;

  std::unique_ptr<GuardedFolder> folder_;
  std::string path_;
  bool mounted_ = false;
};

}  // namespace tracker::testing
