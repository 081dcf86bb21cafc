// The rules for what a user may send, field by field. Pure. Each answers what is wrong and what is
// allowed, for people; none when the value is good.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "src/domain/policy.h"

namespace tracker::domain {

using Complaint = std::optional<std::string>;

// 1 to 128 of [A-Za-z0-9._/-].
Complaint CheckNamespace(absl::string_view text);
// 1 to 512 bytes of UTF-8 without control characters.
Complaint CheckId(absl::string_view text);
// As an id, but it may be empty: the beginning of one.
Complaint CheckIdPrefix(absl::string_view text);
// At most 256 bytes of UTF-8 without control characters; may be empty.
Complaint CheckWorker(absl::string_view text);
// UTF-8 without NUL bytes, of any length: a message or a traceback, which are cut, not refused.
Complaint CheckReport(absl::string_view text);
// 100 ms to 24 h.
Complaint CheckLease(absl::Duration lease);
// 0 to 30 days.
Complaint CheckDelay(absl::Duration delay);
// 0 (the namespace's) to 1000.
Complaint CheckMaxAttempts(int max_attempts);
// The Unix epoch to ten years after `now`.
Complaint CheckAvailableTime(absl::Time time, absl::Time now);

// 1 to limits::kClaimTasks.
Complaint CheckClaimLimit(int limit);
// 0 to 60 s.
Complaint CheckClaimWait(absl::Duration wait);
// At most 256 bytes of UTF-8 without NUL bytes; may be empty.
Complaint CheckErrorText(absl::string_view text);
// As domain::FingerprintText writes it; empty: any.
Complaint CheckErrorFingerprint(absl::string_view text);
// 1 to limits::kMaxGroups.
Complaint CheckGroupLimit(int limit);
// 0 (no limit) to limits::kMaxJobRate tasks a second.
Complaint CheckJobRate(int max_per_second);

// What is wrong with one of several fields.
struct FieldComplaint {
  // Its path on the wire: "backoff.initial", "after[2]".
  std::string field;
  std::string text;
};

// The earlier steps of the tasks of `name_space`: at most 16 namespaces, each once, and not this
// one.
std::vector<FieldComplaint> CheckAfter(const std::vector<std::string>& after,
                                       absl::string_view name_space);

// All that a policy holds, its namespace included.
std::vector<FieldComplaint> CheckPolicy(const Policy& policy);

// Whether the bytes are well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates, nothing
// beyond U+10FFFF).
bool IsUtf8(absl::string_view text);

// The text made fit to show in an error message: control characters and bad UTF-8 replaced, cut at
// limits::kErrorTextBytes.
std::string ForErrorText(absl::string_view text);

}  // namespace tracker::domain
