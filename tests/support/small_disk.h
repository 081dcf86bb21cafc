// A disk of a few megabytes, for what happens when one is full: a tmpfs in a guarded folder of its
// own. It goes with the object; should the process be killed, the folder's watchdog unmounts it.
//
// Thread-compatible.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tests/support/guarded_folder.h"

namespace tracker::testing {

class SmallDisk {
 public:
  // PermissionDenied, in words for whoever runs the test, where this process may not mount
  // (CAP_SYS_ADMIN), as in most containers.
  static absl::StatusOr<std::unique_ptr<SmallDisk>> Mount(int64_t bytes);
  ~SmallDisk();
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  // Everybody may make files there.
  const std::string& path() const { return path_; }

  // Takes all that is free at the moment; what others free later is theirs.
  absl::Status Fill();
  // Gives back what Fill has taken.
  absl::Status Free();

 private:
  SmallDisk() = default;
  std::string Ballast() const { return path_ + "/ballast"; }

  // Constant after Mount.
  std::unique_ptr<GuardedFolder> folder_;
  std::string path_;
  bool mounted_ = false;
};

}  // namespace tracker::testing
