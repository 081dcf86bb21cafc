// Lock tokens: 128 random bits, written as 32 lower-case hexadecimal digits. Thread-safe.
#pragma once

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace tracker {

// A new token from the operating system's cryptographic source. Ends the process if that source
// fails, as nothing could be locked safely any more.
std::string NewLockToken();

// The canonical form of a token that a client sent: 32 hexadecimal digits, or a UUID with hyphens,
// in any case. None when it is neither.
std::optional<std::string> ParseLockToken(absl::string_view text);

}  // namespace tracker
