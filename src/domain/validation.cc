#include "src/domain/validation.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "src/base/limits.h"
#include "src/domain/fingerprint.h"

namespace tracker::domain {
namespace {

// The length of the well-formed character at the front of `text`, or 0. RFC 3629, section 4.
size_t Utf8Length(absl::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto in = [&](size_t i, unsigned low, unsigned high) {
    return i < text.size() && byte(i) >= low && byte(i) <= high;
  };
  if (in(0, 0x00, 0x7F)) return 1;
  if (in(0, 0xC2, 0xDF)) return in(1, 0x80, 0xBF) ? 2 : 0;
  if (in(0, 0xE0, 0xEF)) {
    const unsigned low = byte(0) == 0xE0 ? 0xA0 : 0x80;
    const unsigned high = byte(0) == 0xED ? 0x9F : 0xBF;
    return in(1, low, high) && in(2, 0x80, 0xBF) ? 3 : 0;
  }
  if (in(0, 0xF0, 0xF4)) {
    const unsigned low = byte(0) == 0xF0 ? 0x90 : 0x80;
    const unsigned high = byte(0) == 0xF4 ? 0x8F : 0xBF;
    return in(1, low, high) && in(2, 0x80, 0xBF) && in(3, 0x80, 0xBF) ? 4 : 0;
  }
  return 0;
}

// C0, DEL and C1: the last are two bytes in UTF-8, C2 80 to C2 9F.
bool HasControlCharacter(absl::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x20 || byte == 0x7F) return true;
    if (byte == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0)
      return true;
  }
  return false;
}

Complaint CheckName(absl::string_view text, size_t max_bytes) {
  if (text.size() > max_bytes)
    return absl::StrCat("has ", text.size(), " bytes; at most ", max_bytes, " are allowed");
  if (!IsUtf8(text)) return "is not valid UTF-8";
  if (HasControlCharacter(text)) return "has a control character";
  return std::nullopt;
}

Complaint CheckNumber(int number, int min, int max) {
  if (number >= min && number <= max) return std::nullopt;
  return absl::StrCat("is ", number, "; ", min, " to ", max, " is allowed");
}

}  // namespace

bool IsUtf8(absl::string_view text) {
  while (!text.empty()) {
    const size_t length = Utf8Length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

Complaint CheckNamespace(absl::string_view text) {
  if (text.empty()) return "is required";
  if (text.size() > limits::kNamespaceBytes) {
    return absl::StrCat("has ", text.size(), " bytes; at most ", limits::kNamespaceBytes,
                        " are allowed");
  }
  const bool good = std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '.' || c == '_' || c == '/' || c == '-';
  });
  if (!good)
    return absl::StrCat("'", ForErrorText(text), "' has characters other than A-Z a-z 0-9 . _ / -");
  return std::nullopt;
}

Complaint CheckId(absl::string_view text) {
  if (text.empty()) return "is required";
  return CheckName(text, limits::kIdBytes);
}

Complaint CheckIdPrefix(absl::string_view text) { return CheckName(text, limits::kIdBytes); }

Complaint CheckWorker(absl::string_view text) { return CheckName(text, limits::kWorkerBytes); }

Complaint CheckReport(absl::string_view text) {
  if (text.find('\0') != absl::string_view::npos) return "has a NUL byte";
  if (!IsUtf8(text)) return "is not valid UTF-8";
  return std::nullopt;
}

Complaint CheckLease(absl::Duration lease) {
  if (lease >= limits::kMinLease && lease <= limits::kMaxLease) return std::nullopt;
  return absl::StrCat("is ", absl::FormatDuration(lease), "; ",
                      absl::FormatDuration(limits::kMinLease), " to ",
                      absl::FormatDuration(limits::kMaxLease), " is allowed");
}

Complaint CheckDelay(absl::Duration delay) {
  if (delay >= absl::ZeroDuration() && delay <= limits::kMaxDelay) return std::nullopt;
  return absl::StrCat("is ", absl::FormatDuration(delay), "; 0 to ",
                      absl::FormatDuration(limits::kMaxDelay), " is allowed");
}

Complaint CheckMaxAttempts(int max_attempts) {
  if (max_attempts >= 0 && max_attempts <= limits::kMaxMaxAttempts) return std::nullopt;
  return absl::StrCat("is ", max_attempts, "; 0 (as the namespace says) to ",
                      limits::kMaxMaxAttempts, " is allowed");
}

Complaint CheckAvailableTime(absl::Time time, absl::Time now) {
  if (time >= absl::UnixEpoch() && time <= now + limits::kMaxSchedule) return std::nullopt;
  return absl::StrCat("is ", absl::FormatTime(absl::RFC3339_sec, time, absl::UTCTimeZone()),
                      "; 1970 to ten years from now is allowed");
}

Complaint CheckClaimLimit(int limit) { return CheckNumber(limit, 1, limits::kClaimTasks); }

Complaint CheckClaimWait(absl::Duration wait) {
  if (wait >= absl::ZeroDuration() && wait <= limits::kMaxClaimWait) return std::nullopt;
  return absl::StrCat("is ", absl::FormatDuration(wait), "; 0 to ",
                      absl::FormatDuration(limits::kMaxClaimWait), " is allowed");
}

Complaint CheckErrorText(absl::string_view text) {
  if (text.size() > limits::kErrorTextFilterBytes) {
    return absl::StrCat("has ", text.size(), " bytes; at most ", limits::kErrorTextFilterBytes,
                        " are allowed");
  }
  return CheckReport(text);
}

Complaint CheckErrorFingerprint(absl::string_view text) {
  if (text.empty() || ParseFingerprint(text)) return std::nullopt;
  return "is not a fingerprint: 16 hexadecimal digits, from GroupErrors";
}

Complaint CheckGroupLimit(int limit) { return CheckNumber(limit, 1, limits::kMaxGroups); }

Complaint CheckJobRate(int max_per_second) {
  if (max_per_second >= 0 && max_per_second <= limits::kMaxJobRate) return std::nullopt;
  return absl::StrCat("is ", max_per_second, "; 0 (no limit) to ", limits::kMaxJobRate,
                      " tasks a second is allowed");
}

std::vector<FieldComplaint> CheckAfter(const std::vector<std::string>& after,
                                       absl::string_view name_space) {
  if (after.size() > limits::kAfterNamespaces) {
    return {{"after", absl::StrCat("has ", after.size(), " namespaces; at most ",
                                   limits::kAfterNamespaces, " are allowed")}};
  }
  std::vector<FieldComplaint> complaints;
  for (size_t i = 0; i < after.size(); ++i) {
    Complaint complaint = CheckNamespace(after[i]);
    if (!complaint && after[i] == name_space) complaint = "is the task's own namespace";
    if (!complaint && std::count(after.begin(), after.begin() + static_cast<int>(i), after[i]) > 0)
      complaint = "is there twice";
    if (complaint) complaints.push_back({absl::StrCat("after[", i, "]"), *std::move(complaint)});
  }
  return complaints;
}

std::string ForErrorText(absl::string_view text) {
  std::string shown;
  while (!text.empty() && shown.size() < limits::kErrorTextBytes) {
    const size_t length = Utf8Length(text);
    if (length == 0 || HasControlCharacter(text.substr(0, length))) {
      shown += "\xEF\xBF\xBD";  // U+FFFD, the replacement character
      text.remove_prefix(1);
    } else {
      shown.append(text.data(), length);
      text.remove_prefix(length);
    }
  }
  if (!text.empty()) shown += "…";
  return shown;
}

}  // namespace tracker::domain
