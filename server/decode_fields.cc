#include "server/decode_fields.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/wire_time.h"
#include "src/base/limits.h"
#include "src/base/token.h"
#include "src/domain/fingerprint.h"
#include "tracker/v1/tracker.pb.h"

namespace tracker::server {

std::optional<absl::Duration> DecodeDuration(const google::protobuf::Duration& duration,
                                             absl::string_view field,
                                             domain::Complaint (*check)(absl::Duration),
                                             FieldErrors& errors) {
  absl::StatusOr<absl::Duration> decoded = FromProto(duration);
  if (!decoded.ok()) {
    errors.Add(field, std::string(decoded.status().message()));
    return std::nullopt;
  }
  if (check != nullptr) errors.Check(field, check(*decoded));
  // What both databases hold; rounded down, so that no limit is passed.
  return absl::Floor(*decoded, absl::Microseconds(1));
}

std::string DecodeNewLock(const std::string& text, FieldErrors& errors) {
  return text.empty() ? NewLockToken() : DecodeLock(text, errors);
}

// The error does not repeat what was sent: it may be a lock with a slip of the pen.
std::string DecodeLock(const std::string& text, FieldErrors& errors) {
  std::optional<std::string> lock = ParseLockToken(text);
  if (lock) return *std::move(lock);
  errors.Add("lock", text.empty() ? "is required"
                                  : "is neither 32 hexadecimal digits nor a UUID with hyphens");
  return "";
}

std::vector<domain::Status> DecodeStatuses(const google::protobuf::RepeatedField<int>& statuses,
                                           FieldErrors& errors) {
  std::vector<domain::Status> decoded;
  for (int i = 0; i < statuses.size(); ++i) {
    const int number = statuses[i];
    const auto status =
        number == v1::STATUS_PENDING ? domain::Status::kPending : domain::StatusFromCode(number);
    if (number == v1::STATUS_UNSPECIFIED || !status) {
      errors.Add(absl::StrCat("statuses[", i, "]"), absl::StrCat("is ", number, ", not a status"));
      // A list of millions would only say the same again.
      if (errors.list().size() > limits::kFieldViolations) break;
    } else if (std::find(decoded.begin(), decoded.end(), *status) == decoded.end()) {
      decoded.push_back(*status);
    }
  }
  return decoded;
}

std::vector<std::string> DecodeAfter(const google::protobuf::RepeatedPtrField<std::string>& after,
                                     const std::string& name_space, FieldErrors& errors) {
  std::vector<std::string> decoded(after.begin(), after.end());
  for (domain::FieldComplaint& complaint : domain::CheckAfter(decoded, name_space))
    errors.Add(complaint.field, std::move(complaint.text));
  return decoded;
}

int64_t DecodeFingerprint(const std::string& text, FieldErrors& errors) {
  errors.Check("error_fingerprint", domain::CheckErrorFingerprint(text));
  return domain::ParseFingerprint(text).value_or(0);
}

}  // namespace tracker::server
