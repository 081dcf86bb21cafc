#include "server/logging.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace tracker::server {
namespace {

using nlohmann::ordered_json;

std::atomic<LogFormat> log_format{LogFormat::kText};

spdlog::level::level_enum SpdlogLevel(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return spdlog::level::debug;
    case LogLevel::kInfo: return spdlog::level::info;
    case LogLevel::kWarn: return spdlog::level::warn;
    case LogLevel::kError: return spdlog::level::err;
  }
  return spdlog::level::err;
}

absl::string_view LevelName(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return "debug";
    case LogLevel::kInfo: return "info";
    case LogLevel::kWarn: return "warn";
    case LogLevel::kError: return "error";
  }
  return "error";
}

// Never destroyed, as a thread may log while the process ends.
spdlog::logger& Logger() {
  static spdlog::logger& logger = [&]() -> spdlog::logger& {
    auto* made = new spdlog::logger("trackerd", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("%v");
    return *made;
  }();
  return logger;
}

std::string Dump(const ordered_json& value) {
  return value.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

ordered_json ToJson(const LogField& field) {
  return std::visit([](const auto& value) { return ordered_json(value); }, field.value);
}

// Quoted where a reader could not tell where the value ends.
std::string ToText(const LogField& field) {
  const auto* text = std::get_if<std::string>(&field.value);
  const bool plain =
      text == nullptr || (!text->empty() && std::all_of(text->begin(), text->end(), [](char c) {
        return c > ' ' && c < 0x7F && c != '"' && c != '=' && c != '\\';
      }));
  if (text != nullptr && plain) return *text;
  return Dump(ToJson(field));
}

}  // namespace

std::string FormatLogLine(LogFormat format, absl::string_view time, LogLevel level,
                          absl::string_view event, std::initializer_list<LogField> fields) {
  if (format == LogFormat::kJson) {
    ordered_json line = {{"time", std::string(time)},
                         {"level", std::string(LevelName(level))},
                         {"event", std::string(event)}};
    for (const LogField& field : fields) line[std::string(field.name)] = ToJson(field);
    return Dump(line);
  }
  std::string line = absl::StrCat(time, " ", LevelName(level), " ", event);
  for (const LogField& field : fields) absl::StrAppend(&line, " ", field.name, "=", ToText(field));
  return line;
}

void InitLogging(LogFormat format, LogLevel level) {
  log_format = format;
  Logger().set_level(SpdlogLevel(level));
}

void Log(LogLevel level, absl::string_view event, std::initializer_list<LogField> fields) {
  if (!Logger().should_log(SpdlogLevel(level))) return;
  const std::string time =
      absl::FormatTime("%Y-%m-%d%ET%H:%M:%E3SZ", absl::Now(), absl::UTCTimeZone());
  const std::string line = FormatLogLine(log_format, time, level, event, fields);
  Logger().log(SpdlogLevel(level), spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace tracker::server
