#include "client/cli/show.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/cli/text.h"

namespace tracker::cli {
namespace {

using nlohmann::ordered_json;

std::string Attempts(const Task& task) {
  return absl::StrCat(task.attempts, "/", task.max_attempts);
}

// What one wants to know beside the status: how long the lock holds, why it failed, when it may be
// started.
std::string Note(const Task& task, absl::Time now) {
  if (task.status == TaskStatus::kInProgress && task.lease_remaining) {
    return *task.lease_remaining > absl::ZeroDuration()
               ? absl::StrCat("lease ends in ", Short(*task.lease_remaining))
               : "lease is over";
  }
  std::string note;
  const bool waiting = task.status == TaskStatus::kPending || task.status == TaskStatus::kFailed;
  if (waiting && task.available_time && *task.available_time > now + absl::Seconds(1))
    note = absl::StrCat("not before ", Age(*task.available_time, now));
  const bool bad = task.status == TaskStatus::kFailed || task.status == TaskStatus::kExhausted;
  if (bad && !task.errors.empty()) {
    const TaskError& last = task.errors.back();
    absl::StrAppend(&note, note.empty() ? "" : "; ",
                    last.message.empty() ? ErrorKindName(last.kind) : OneLine(last.message));
  }
  return note;
}

void PrintIndented(std::ostream& out, const std::string& text, const char* indent) {
  for (const auto& line : absl::StrSplit(Printable(text), '\n')) out << indent << line << "\n";
}

}  // namespace

ordered_json TimeJson(const std::optional<absl::Time>& time) {
  if (!time) return nullptr;
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", *time, absl::UTCTimeZone());
}

std::string LocalTime(absl::Time time, absl::Time now) {
  return absl::StrCat(absl::FormatTime("%Y-%m-%d %H:%M:%S", time, absl::LocalTimeZone()), " (",
                      Age(time, now), ")");
}

size_t TerminalColumns() {
  winsize size{};
  if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return 0;
  return size.ws_col;
}

void PrintTable(std::ostream& out, const std::vector<std::vector<std::string>>& rows,
                const std::vector<bool>& right, size_t columns) {
  std::vector<size_t> widths(right.size(), 0);
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], Width(row[i]));
  }
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string pad(widths[i] - Width(row[i]), ' ');
      if (i > 0) line += "  ";
      line += right[i] ? pad + row[i] : row[i] + pad;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out << (columns > 0 ? Truncate(line, columns) : line) << "\n";
  }
}

ordered_json TaskJson(const Task& task) {
  ordered_json json;
  json["namespace"] = task.name_space;
  json["id"] = task.id;
  json["status"] = TaskStatusName(task.status);
  json["attempts"] = task.attempts;
  json["max_attempts"] = task.max_attempts;
  json["priority"] = task.priority;
  json["fence"] = task.fence;
  json["create_time"] = TimeJson(task.create_time);
  json["update_time"] = TimeJson(task.update_time);
  json["available_time"] = TimeJson(task.available_time);
  json["worker"] = task.worker;
  json["lock_time"] = TimeJson(task.lock_time);
  json["lock_expire_time"] = TimeJson(task.lock_expire_time);
  json["lease_remaining_ms"] = nullptr;
  if (task.lease_remaining)
    json["lease_remaining_ms"] = absl::ToInt64Milliseconds(*task.lease_remaining);
  json["data"] = ordered_json::parse(task.data, nullptr, false);
  json["errors"] = ordered_json::array();
  for (const TaskError& error : task.errors) {
    ordered_json one;
    one["attempt"] = error.attempt;
    one["fence"] = error.fence;
    one["time"] = TimeJson(error.time);
    one["worker"] = error.worker;
    one["kind"] = ErrorKindName(error.kind);
    one["message"] = error.message;
    one["traceback"] = error.traceback;
    json["errors"].push_back(std::move(one));
  }
  return json;
}

void PrintTask(std::ostream& out, const Task& task, absl::Time now) {
  const auto line = [&out](const char* name, const std::string& value) {
    out << name << std::string(12 - Width(name), ' ') << value << "\n";
  };
  line("task", OneLine(absl::StrCat(task.name_space, "  ", task.id)));
  const std::string note = Note(task, now);
  line("status", absl::StrCat(TaskStatusName(task.status), note.empty() ? "" : "  (", note,
                              note.empty() ? "" : ")"));
  line("attempts", absl::StrCat(task.attempts, " of ", task.max_attempts));
  line("fence", absl::StrCat(task.fence));
  if (task.priority != 0) line("priority", absl::StrCat(task.priority));
  if (!task.worker.empty()) line("worker", OneLine(task.worker));
  line("created", LocalTime(task.create_time, now));
  line("updated", LocalTime(task.update_time, now));
  if (task.lock_time) line("locked", LocalTime(*task.lock_time, now));
  if (task.lock_expire_time) line("lease ends", LocalTime(*task.lock_expire_time, now));
  const bool waiting = task.available_time && *task.available_time > now;
  if (waiting) line("available", LocalTime(*task.available_time, now));
  if (task.data != "{}") {
    out << "data\n";
    PrintIndented(out, ordered_json::parse(task.data, nullptr, false).dump(2), "  ");
  }
  if (!task.errors.empty()) out << "errors\n";
  for (const TaskError& error : task.errors) {
    out << "  attempt " << error.attempt << ", fence " << error.fence << ", "
        << LocalTime(error.time, now) << ", " << OneLine(error.worker) << ": "
        << ErrorKindName(error.kind) << "\n";
    if (!error.message.empty()) PrintIndented(out, error.message, "    ");
    if (!error.traceback.empty()) PrintIndented(out, error.traceback, "      ");
  }
}

void PrintTasks(std::ostream& out, const std::vector<Task>& tasks, absl::Time now) {
  // What a long id or worker may take of a terminal's line.
  const size_t columns = TerminalColumns();
  const size_t id_width = columns > 0 ? std::max<size_t>(20, columns * 2 / 5) : SIZE_MAX;
  const size_t worker_width = columns > 0 ? std::max<size_t>(12, columns / 5) : SIZE_MAX;
  std::vector<std::vector<std::string>> rows = {
      {"ID", "STATUS", "ATTEMPTS", "UPDATED", "WORKER", "NOTE"}};
  for (const Task& task : tasks) {
    rows.push_back({Truncate(OneLine(task.id), id_width), TaskStatusName(task.status),
                    Attempts(task), Age(task.update_time, now),
                    Truncate(OneLine(task.worker), worker_width), Note(task, now)});
  }
  PrintTable(out, rows, {false, false, true, true, false, false}, columns);
}

void PrintCounts(std::ostream& out, const std::vector<StatusCount>& counts) {
  std::map<std::string, std::map<TaskStatus, int64_t>> by_namespace;
  for (const StatusCount& count : counts)
    by_namespace[count.name_space][count.status] += count.count;
  std::vector<std::vector<std::string>> rows(1, {"NAMESPACE"});
  std::vector<bool> right = {false};
  for (TaskStatus status : kTaskStatuses) {
    rows[0].push_back(absl::AsciiStrToUpper(TaskStatusName(status)));
    right.push_back(true);
  }
  rows[0].push_back("TOTAL");
  right.push_back(true);
  for (const auto& [name_space, statuses] : by_namespace) {
    std::vector<std::string> row = {name_space};
    int64_t total = 0;
    for (TaskStatus status : kTaskStatuses) {
      const auto found = statuses.find(status);
      const int64_t count = found == statuses.end() ? 0 : found->second;
      total += count;
      row.push_back(absl::StrCat(count));
    }
    row.push_back(absl::StrCat(total));
    rows.push_back(std::move(row));
  }
  PrintTable(out, rows, right, 0);
}

ordered_json ErrorGroupJson(const ErrorGroup& group) {
  ordered_json json;
  json["fingerprint"] = group.fingerprint;
  json["count"] = group.count;
  json["first_time"] = TimeJson(group.first_time);
  json["last_time"] = TimeJson(group.last_time);
  json["example_id"] = group.example_id;
  json["example"] = group.example;
  return json;
}

void PrintErrorGroups(std::ostream& out, const std::vector<ErrorGroup>& groups, absl::Time now) {
  const size_t columns = TerminalColumns();
  const size_t id_width = columns > 0 ? std::max<size_t>(12, columns / 5) : SIZE_MAX;
  std::vector<std::vector<std::string>> rows = {
      {"COUNT", "FIRST", "LAST", "FINGERPRINT", "EXAMPLE", "MESSAGE"}};
  for (const ErrorGroup& group : groups) {
    rows.push_back({Grouped(group.count), Age(group.first_time, now), Age(group.last_time, now),
                    group.fingerprint, Truncate(OneLine(group.example_id), id_width),
                    OneLine(group.example)});
  }
  PrintTable(out, rows, {true, true, true, false, false, false}, columns);
}

}  // namespace tracker::cli
