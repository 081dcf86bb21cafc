// The lines that a client gives to the logger of ClientOptions. Thread-safe.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "tracker/client.h"
#include "tracker/task.h"

namespace tracker::internal {

// Gives the line to the logger, where there is one; what the logger throws is dropped.
void Log(const Logger& logger, LogLevel level, const std::string& line);

// namespace=invoices id="2026-001" attempt=1/3 fence=7
std::string TaskFields(const Task& task);
// The text in quotes, on one line, and at most about a kilobyte of it.
std::string Quoted(absl::string_view text);
// The same of an error, without what only programs read in it.
std::string Quoted(const absl::Status& error);

}  // namespace tracker::internal
