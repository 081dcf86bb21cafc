#include "client/src/text.h"

#include <sys/syscall.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"

namespace tracker::internal {
namespace {

constexpr size_t kReportBytes = 64 * 1024;
constexpr char kReplacement[] = "\xEF\xBF\xBD";

// The length of the well-formed character at `at`, or 0. RFC 3629, section 4.
size_t CharacterLength(const std::string& text, size_t at) {
  const auto in = [&](size_t i, unsigned low, unsigned high) {
    if (at + i >= text.size()) return false;
    const auto byte = static_cast<unsigned char>(text[at + i]);
    return byte >= low && byte <= high;
  };
  const auto first = static_cast<unsigned char>(text[at]);
  if (first <= 0x7F) return 1;
  if (in(0, 0xC2, 0xDF)) return in(1, 0x80, 0xBF) ? 2 : 0;
  if (in(0, 0xE0, 0xEF)) {
    const unsigned low = first == 0xE0 ? 0xA0 : 0x80;
    const unsigned high = first == 0xED ? 0x9F : 0xBF;
    return in(1, low, high) && in(2, 0x80, 0xBF) ? 3 : 0;
  }
  if (in(0, 0xF0, 0xF4)) {
    const unsigned low = first == 0xF0 ? 0x90 : 0x80;
    const unsigned high = first == 0xF4 ? 0x8F : 0xBF;
    return in(1, low, high) && in(2, 0x80, 0xBF) && in(3, 0x80, 0xBF) ? 4 : 0;
  }
  return 0;
}

}  // namespace

std::string ScrubReport(const std::string& text) {
  size_t at = text.size() > kReportBytes ? text.size() - kReportBytes : 0;
  // Not into the middle of a character.
  while (at > 0 && at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) ++at;
  std::string scrubbed;
  scrubbed.reserve(text.size() - at);
  while (at < text.size()) {
    const size_t length = CharacterLength(text, at);
    if (length == 0 || text[at] == '\0') {
      scrubbed += kReplacement;
      ++at;
    } else {
      scrubbed.append(text, at, length);
      at += length;
    }
  }
  return scrubbed;
}

bool IsUtf8(const std::string& text) {
  for (size_t at = 0; at < text.size();) {
    const size_t length = CharacterLength(text, at);
    if (length == 0) return false;
    at += length;
  }
  return true;
}

std::string DefaultWorker() {
  char host[256] = "";
  // A host name that is too long is cut, and perhaps not terminated.
  gethostname(host, sizeof host - 1);
  return absl::StrCat(ScrubReport(host).substr(0, 200), ":", getpid(), ":", syscall(SYS_gettid));
}

}  // namespace tracker::internal
