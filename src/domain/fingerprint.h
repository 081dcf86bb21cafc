// Error messages that mean the same: their fingerprint is that of the text with what differs from
// task to task folded away. Pure; stored, so a change of it needs a migration.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "src/domain/task.h"

namespace tracker::domain {

// The message with each run of digits, and each word of hexadecimal digits with a digit in it, as
// "#", each part in single, double or back quotes as its quotes with "…" between, and each run of
// white space as one space; of its first kilobyte.
std::string FoldMessage(absl::string_view message);

// XXH3 (64 bits, seed 0) of the folded message, never 0.
int64_t FingerprintOf(absl::string_view message);
// Of the task's last problem; 0: it has none.
int64_t FingerprintOf(const Task& task);

// 16 hexadecimal digits, and back; none for anything else.
std::string FingerprintText(int64_t fingerprint);
std::optional<int64_t> ParseFingerprint(absl::string_view text);

}  // namespace tracker::domain
