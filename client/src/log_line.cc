#include "client/src/log_line.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace tracker::internal {
namespace {

constexpr size_t kLongestText = 1024;

}  // namespace

void Log(const Logger& logger, LogLevel level, const std::string& line) {
  if (!logger) return;
  try {
    logger(level, line);
  } catch (...) {
    // Work goes on without its log.
  }
}

std::string TaskFields(const Task& task) {
  return absl::StrCat("namespace=", task.name_space, " id=", Quoted(task.id),
                      " attempt=", task.attempts, "/", task.max_attempts, " fence=", task.fence);
}

std::string Quoted(absl::string_view text) {
  const bool cut = text.size() > kLongestText;
  return absl::StrCat("\"", absl::Utf8SafeCEscape(text.substr(0, kLongestText)),
                      cut ? "...\"" : "\"");
}

std::string Quoted(const absl::Status& error) {
  return Quoted(error.ToString(absl::StatusToStringMode::kWithNoExtraData));
}

}  // namespace tracker::internal
