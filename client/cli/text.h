// Text for people: widths on a terminal, ages, quoting. Pure, once UseUtf8 was called.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/time/time.h"

namespace tracker::cli {

// Makes widths right for UTF-8 whatever the environment's locale is. At the start of main.
void UseUtf8();

// Fit to print: line breaks become spaces, and what could steer the terminal or is no UTF-8 becomes
// U+FFFD.
std::string OneLine(const std::string& text);
// The same, but keeps line breaks and tabs.
std::string Printable(const std::string& text);

// Columns on a terminal; wide characters take two, combining ones none.
size_t Width(const std::string& text);
// At most `columns` wide; what is cut ends in "…".
std::string Truncate(const std::string& text, size_t columns);

// "3m", "1h 5m", "2d 4h", "850ms".
std::string Short(absl::Duration duration);
// "3m ago", "in 5s", "now".
std::string Age(absl::Time time, absl::Time now);

// "1,234,567".
std::string Grouped(int64_t number);

// As one word of a POSIX shell.
std::string Quote(const std::string& text);

// "90s", "1h30m", "250ms", "2d", or a number of seconds.
std::optional<absl::Duration> ParseDuration(const std::string& text);

}  // namespace tracker::cli
