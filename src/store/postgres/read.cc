#include "src/store/postgres/read.h"

#include "absl/strings/str_cat.h"

namespace tracker::store::postgres {

absl::Status ReadAccess::Unreachable(const absl::Status& status) {
  return absl::UnavailableError(absl::StrCat("the database cannot be reached: ", status.message()));
}

absl::Status ReadAccess::ForCaller(const absl::Status& status) {
  if (absl::IsUnavailable(status) || absl::IsUnknown(status)) return Unreachable(status);
  if (absl::IsDeadlineExceeded(status)) {
    return absl::DeadlineExceededError(
        absl::StrCat("the database takes too long over this; narrow it: ", status.message()));
  }
  return status;
}

}  // namespace tracker::store::postgres
