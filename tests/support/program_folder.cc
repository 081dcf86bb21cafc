// Linked into every test program: all its temporary files, and those of the programs that it runs,
// go into one folder that does not outlive it.
#include <stdlib.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "tests/support/guarded_folder.h"

namespace tracker::testing {
namespace {

std::unique_ptr<GuardedFolder> MoveIntoOwnFolder() {
  const std::string parent = TemporaryParent();
  // Run by a test program: its folder is this program's, too.
  if (absl::StartsWith(std::filesystem::path(parent).filename().string(), "tracker-run-")) {
    return nullptr;
  }
  absl::StatusOr<std::unique_ptr<GuardedFolder>> folder = GuardedFolder::Make(parent);
  if (!folder.ok()) {
    std::fprintf(stderr, "no folder for temporary files: %s\n", folder.status().ToString().c_str());
    std::abort();
  }
  setenv("TMPDIR", (*folder)->path().c_str(), 1);
  // GoogleTest's TempDir.
  setenv("TEST_TMPDIR", (*folder)->path().c_str(), 1);
  return *std::move(folder);
}

// Made before main, while there are no threads; gone after it.
const std::unique_ptr<GuardedFolder> kProgramFolder = MoveIntoOwnFolder();

}  // namespace
}  // namespace tracker::testing
