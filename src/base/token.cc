#include "src/base/token.h"

#include <openssl/rand.h>

#include <cstdio>
#include <cstdlib>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "src/base/limits.h"

namespace tracker {

std::string NewLockToken() {
  unsigned char bytes[limits::kLockDigits / 2];
  if (RAND_bytes(bytes, sizeof(bytes)) != 1) {
    std::fputs("tracker: the system's random source failed\n", stderr);
    std::abort();
  }
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<char*>(bytes), sizeof(bytes)));
}

std::optional<std::string> ParseLockToken(absl::string_view text) {
  constexpr size_t kUuidLength = 36;
  const bool uuid = text.size() == kUuidLength;
  if (!uuid && text.size() != limits::kLockDigits) return std::nullopt;
  std::string digits;
  digits.reserve(limits::kLockDigits);
  for (size_t i = 0; i < text.size(); ++i) {
    if (uuid && (i == 8 || i == 13 || i == 18 || i == 23)) {
      if (text[i] != '-') return std::nullopt;
      continue;
    }
    if (!absl::ascii_isxdigit(static_cast<unsigned char>(text[i]))) return std::nullopt;
    digits.push_back(absl::ascii_tolower(static_cast<unsigned char>(text[i])));
  }
  return digits;
}

}  // namespace tracker
