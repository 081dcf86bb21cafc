#include "src/store/postgres/read.h"

#include "absl/strings/str_cat.h"
#include "src/store/trouble.h"

namespace tracker::store::postgres {

absl::Status ReadAccess::Unreachable(const absl::Status& status) {
  const absl::string_view sentence =
      absl::IsResourceExhausted(status)
          ? "another session holds in the database what this needs; it may be repeated"
          : "the database cannot be reached; the server's log has the details";
  return DatabaseError(absl::StatusCode::kUnavailable, sentence, DatabaseText(status));
}

absl::Status ReadAccess::ForCaller(const absl::Status& status) {
  // Of a commit only the database's part can be in doubt.
  if (!IsDatabaseError(status) && !absl::IsUnknown(status)) return status;
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kResourceExhausted: return Unreachable(status);
    case absl::StatusCode::kDeadlineExceeded:
      return DatabaseError(status.code(), "the database takes too long over this; narrow it",
                           DatabaseText(status));
    default:
      return DatabaseError(absl::StatusCode::kInternal,
                           absl::StrCat("the database refused this: ", kSeeLog),
                           DatabaseText(status));
  }
}

}  // namespace tracker::store::postgres
