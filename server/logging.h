// The server's log: one event per line on stderr, with fields, as text for people or as JSON lines
// for collectors. Thread-safe. Never give it a lock, a token, data or a password.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <variant>

#include "absl/strings/string_view.h"

namespace tracker::server {

enum class LogFormat { kText, kJson };
enum class LogLevel { kDebug, kInfo, kWarn, kError };

struct LogField {
  absl::string_view name;
  std::variant<std::string, int64_t, bool> value;
};

// Call it once, before other threads log. Without it: text, from info on.
void InitLogging(LogFormat format, LogLevel level);

// `event` is a constant of the program in snake_case: what happened, to be searched for.
void Log(LogLevel level, absl::string_view event, std::initializer_list<LogField> fields = {});

// One line without its end, as Log writes it.
std::string FormatLogLine(LogFormat format, absl::string_view time, LogLevel level,
                          absl::string_view event, std::initializer_list<LogField> fields);

// Keeps gRPC and protobuf from writing to stderr on their own: gRPC's errors become debug events,
// since each that matters comes back to us as a status; protobuf's complaints of bad UTF-8 are told
// to the client, not to us.
void TakeOverLibraryLogs();

}  // namespace tracker::server
