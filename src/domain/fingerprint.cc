#include "src/domain/fingerprint.h"

#include <xxhash.h>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace tracker::domain {
namespace {

// What tells messages apart comes early in them.
constexpr size_t kFoldedBytes = 1024;

bool IsQuote(char c) { return c == '\'' || c == '"' || c == '`'; }
// Part of a word. Bytes of other scripts are.
bool IsWord(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || (c & 0x80) != 0;
}

// "deadbeef42", "0x1f": an address, a hash, a part of a UUID.
bool IsHexadecimal(absl::string_view word) {
  if (word.size() > 2 && word[0] == '0' && (word[1] == 'x' || word[1] == 'X')) {
    word.remove_prefix(2);
  } else if (word.size() < 4) {
    return false;
  }
  bool digit = false;
  for (const char c : word) {
    if (!absl::ascii_isxdigit(static_cast<unsigned char>(c))) return false;
    digit |= absl::ascii_isdigit(static_cast<unsigned char>(c));
  }
  return digit;
}

// The word with each run of digits as "#".
void AppendWord(absl::string_view word, std::string* out) {
  if (IsHexadecimal(word)) {
    *out += '#';
    return;
  }
  bool in_digits = false;
  for (const char c : word) {
    const bool digit = absl::ascii_isdigit(static_cast<unsigned char>(c));
    if (!digit) *out += c;
    if (digit && !in_digits) *out += '#';
    in_digits = digit;
  }
}

}  // namespace

std::string FoldMessage(absl::string_view message) {
  message = message.substr(0, kFoldedBytes);
  std::string folded;
  for (size_t i = 0; i < message.size();) {
    const char c = message[i];
    if (IsQuote(c)) {
      // An apostrophe within a word is no quote.
      const bool begins = i == 0 || !IsWord(message[i - 1]);
      const size_t end = begins ? message.find(c, i + 1) : absl::string_view::npos;
      if (end != absl::string_view::npos) {
        absl::StrAppend(&folded, message.substr(i, 1), "…", message.substr(i, 1));
        i = end + 1;
        continue;
      }
    }
    if (absl::ascii_isspace(static_cast<unsigned char>(c))) {
      if (!folded.empty() && folded.back() != ' ') folded += ' ';
      ++i;
      continue;
    }
    if (IsWord(c)) {
      size_t end = i;
      while (end < message.size() && IsWord(message[end])) ++end;
      AppendWord(message.substr(i, end - i), &folded);
      i = end;
      continue;
    }
    folded += c;
    ++i;
  }
  while (!folded.empty() && folded.back() == ' ') folded.pop_back();
  return folded;
}

int64_t FingerprintOf(absl::string_view message) {
  const std::string folded = FoldMessage(message);
  const auto print = static_cast<int64_t>(XXH3_64bits(folded.data(), folded.size()));
  return print == 0 ? 1 : print;
}

int64_t FingerprintOf(const Task& task) {
  const TaskError* problem = LastProblem(task);
  return problem == nullptr ? 0 : FingerprintOf(problem->message);
}

std::string FingerprintText(int64_t fingerprint) {
  return absl::StrCat(absl::Hex(static_cast<uint64_t>(fingerprint), absl::kZeroPad16));
}

std::optional<int64_t> ParseFingerprint(absl::string_view text) {
  uint64_t value = 0;
  // SimpleHexAtoi takes "0x" and spaces, too.
  for (const char c : text) {
    if (!absl::ascii_isxdigit(static_cast<unsigned char>(c))) return std::nullopt;
  }
  if (text.size() != 16 || !absl::SimpleHexAtoi(text, &value) || value == 0) return std::nullopt;
  return static_cast<int64_t>(value);
}

}  // namespace tracker::domain
