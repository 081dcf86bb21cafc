// What a client tells of its tasks, to whom wants to know.
#pragma once

#include <functional>
#include <string>

namespace tracker {

enum class LogLevel { kInfo, kWarning };

// Takes one event, a line without its end. Called on the threads that work, and on the client's own
// for a lock that is lost: from several at once. Must not block; what it throws is dropped. The
// line never has a lock, a token or a task's data in it.
//   [](tracker::LogLevel, const std::string& line) { std::clog << line + "\n"; }
using Logger = std::function<void(LogLevel level, const std::string& line)>;

}  // namespace tracker
