#include "client/testing/temporary_folder.h"

#include <stdlib.h>

#include <cerrno>
#include <string>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace tracker::testing {

absl::StatusOr<std::unique_ptr<TemporaryFolder>> TemporaryFolder::Make() {
  std::error_code error;
  const std::filesystem::path parent = std::filesystem::temp_directory_path(error);
  std::string name = (parent / "tracker_fake.XXXXXX").string();
  if (error || mkdtemp(name.data()) == nullptr) {
    const std::string why = error ? error.message() : std::generic_category().message(errno);
    return absl::FailedPreconditionError(
        absl::StrCat("no folder for temporary files (TMPDIR): ", name, ": ", why));
  }
  return std::unique_ptr<TemporaryFolder>(new TemporaryFolder(name));
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace tracker::testing
