// How trackerctl shows tasks, counts and refusals: tables for people, JSON lines for scripts.
#pragma once

#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "nlohmann/json.hpp"
#include "tracker/client.h"
#include "tracker/operator.h"

namespace tracker::cli {

// Columns of the terminal on stdout; 0 where it is none, and nothing needs to be cut.
size_t TerminalColumns();

// Rows of cells, the first being the header, in aligned columns; numbers may be told to stand on
// the right. The last column is cut so that a row fits `columns`; 0: no limit.
void PrintTable(std::ostream& out, const std::vector<std::vector<std::string>>& rows,
                const std::vector<bool>& right, size_t columns);

// Every key is always there; null where the task has no such value. Times are RFC 3339 in UTC.
nlohmann::ordered_json TaskJson(const Task& task);

// All of one task.
void PrintTask(std::ostream& out, const Task& task, absl::Time now);
// One line of a task each.
void PrintTasks(std::ostream& out, const std::vector<Task>& tasks, absl::Time now);
// A line for each namespace, a column for each status.
void PrintCounts(std::ostream& out, const std::vector<StatusCount>& counts);

// A time as JSON has it: RFC 3339 in UTC, or null.
nlohmann::ordered_json TimeJson(const std::optional<absl::Time>& time);
// "2026-01-31 18:00:00 (3m ago)", in the local time zone.
std::string LocalTime(absl::Time time, absl::Time now);

// In show_policy.cc: all of a policy, and one line each.
nlohmann::ordered_json PolicyJson(const Policy& policy);
void PrintPolicy(std::ostream& out, const Policy& policy, absl::Time now);
void PrintPolicies(std::ostream& out, const std::vector<Policy>& policies);

nlohmann::ordered_json ErrorGroupJson(const ErrorGroup& group);
void PrintErrorGroups(std::ostream& out, const std::vector<ErrorGroup>& groups, absl::Time now);

}  // namespace tracker::cli
