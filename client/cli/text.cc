#include "client/cli/text.h"

#include <wchar.h>

#include <clocale>
#include <cwchar>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace tracker::cli {
namespace {

constexpr char kReplacement[] = "\xEF\xBF\xBD";

// The character at `at`: how many bytes, and how many columns; -1 columns when it is not to be
// printed.
struct Character {
  size_t bytes;
  int columns;
};
Character At(const std::string& text, size_t at) {
  wchar_t wide = 0;
  std::mbstate_t state{};
  const size_t bytes = std::mbrtowc(&wide, text.data() + at, text.size() - at, &state);
  if (bytes == 0 || bytes > 4) return {1, -1};
  return {bytes, wcwidth(wide)};
}

std::string Scrub(const std::string& text, bool keep_lines) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const Character character = At(text, at);
    const bool space = text[at] == '\n' || text[at] == '\t' || text[at] == '\r';
    if (space) {
      out += keep_lines && text[at] != '\r' ? text[at] : ' ';
    } else if (character.columns < 0) {
      out += kReplacement;
    } else {
      out.append(text, at, character.bytes);
    }
    at += character.bytes;
  }
  return out;
}

}  // namespace

void UseUtf8() {
  for (const char* name : {"C.UTF-8", "C.utf8", "en_US.UTF-8", ""}) {
    if (std::setlocale(LC_CTYPE, name) != nullptr) return;
  }
}

std::string OneLine(const std::string& text) { return Scrub(text, false); }
std::string Printable(const std::string& text) { return Scrub(text, true); }

size_t Width(const std::string& text) {
  size_t width = 0;
  for (size_t at = 0; at < text.size();) {
    const Character character = At(text, at);
    width += character.columns < 0 ? 1 : static_cast<size_t>(character.columns);
    at += character.bytes;
  }
  return width;
}

std::string Truncate(const std::string& text, size_t columns) {
  if (Width(text) <= columns) return text;
  std::string out;
  size_t width = 1;  // the ellipsis
  for (size_t at = 0; at < text.size();) {
    const Character character = At(text, at);
    width += character.columns < 0 ? 1 : static_cast<size_t>(character.columns);
    if (width > columns) break;
    out.append(text, at, character.bytes);
    at += character.bytes;
  }
  return out + "…";
}

std::string Short(absl::Duration duration) {
  if (duration < absl::ZeroDuration()) return absl::StrCat("-", Short(-duration));
  if (duration < absl::Seconds(1)) return absl::StrCat(absl::ToInt64Milliseconds(duration), "ms");
  const int64_t seconds = absl::ToInt64Seconds(duration + absl::Milliseconds(500));
  const auto two = [](int64_t large, const char* unit, int64_t small, const char* small_unit) {
    return small == 0 ? absl::StrCat(large, unit)
                      : absl::StrCat(large, unit, " ", small, small_unit);
  };
  if (seconds < 60) return absl::StrCat(seconds, "s");
  if (seconds < 3600) return two(seconds / 60, "m", seconds < 600 ? seconds % 60 : 0, "s");
  if (seconds < 86400) return two(seconds / 3600, "h", seconds / 60 % 60, "m");
  return two(seconds / 86400, "d", seconds / 3600 % 24, "h");
}

std::string Age(absl::Time time, absl::Time now) {
  const absl::Duration age = now - time;
  if (age > -absl::Seconds(1) && age < absl::Seconds(1)) return "now";
  return age > absl::ZeroDuration() ? absl::StrCat(Short(age), " ago")
                                    : absl::StrCat("in ", Short(-age));
}

std::string Grouped(int64_t number) {
  std::string digits = absl::StrCat(number < 0 ? -number : number);
  for (size_t at = digits.size(); at > 3;) digits.insert(at -= 3, ",");
  return number < 0 ? "-" + digits : digits;
}

std::string Quote(const std::string& text) {
  constexpr char kPlain[] =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:@%+=,-";
  if (!text.empty() && text[0] != '-' && text.find_first_not_of(kPlain) == std::string::npos)
    return text;
  std::string out = "'";
  for (char c : text) {
    if (c == '\'') {
      out += "'\\''";
    } else {
      out += c;
    }
  }
  return out + "'";
}

std::optional<absl::Duration> ParseDuration(const std::string& text) {
  double number = 0;
  if (absl::SimpleAtod(text, &number)) return absl::Seconds(number);
  if (text.ends_with('d') && absl::SimpleAtod(text.substr(0, text.size() - 1), &number))
    return absl::Hours(24) * number;
  absl::Duration duration;
  if (absl::ParseDuration(text, &duration)) return duration;
  return std::nullopt;
}

}  // namespace tracker::cli
