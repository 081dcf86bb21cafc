#include "client/cli/session.h"

#include <algorithm>
#include <cstdlib>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "client/cli/show.h"
#include "client/cli/text.h"

namespace tracker::cli {
namespace {

Asked AskedOf(const CommonFlags& flags) {
  Asked asked{flags.server, "trackerctl", flags.name_space, flags.id, flags.json};
  if (flags.server != kDefaultServer && std::getenv("TRACKER_SERVER") == nullptr)
    absl::StrAppend(&asked.program, " --server ", Quote(flags.server));
  return asked;
}

}  // namespace

absl::Duration Duration(const char* flag, const std::string& text) {
  const auto duration = ParseDuration(text);
  if (!duration)
    throw UsageError{absl::StrCat(flag, ": '", OneLine(text),
                                  "' is no duration; write 90s, 15m, 1h30m, 250ms or 2d")};
  return *duration;
}

std::optional<absl::Duration> OptionalDuration(const char* flag, const std::string& text) {
  if (text.empty()) return std::nullopt;
  return Duration(flag, text);
}

Session::Session(const CommonFlags& flags)
    : flags_(flags), timeout_(Duration("--timeout", flags.timeout)), asked_(AskedOf(flags)) {}

Client& Session::client() {
  if (!client_) {
    ClientOptions options;
    options.deadline = timeout_;
    client_ = Client::Connect(flags_.server, options);
  }
  return *client_;
}

Operator& Session::ops(absl::Duration at_least) {
  if (!operator_) {
    ClientOptions options;
    options.deadline = std::max(timeout_, at_least);
    operator_ = Operator::Connect(flags_.server, options);
  }
  return *operator_;
}

void Session::PrintLine(const nlohmann::ordered_json& json) {
  std::cout << json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << "\n";
}

int Session::Report(const char* done, const absl::StatusOr<Task>& task) const {
  if (!task.ok()) return Refused(task.status());
  if (json()) {
    PrintLine(TaskJson(*task));
  } else {
    std::cout << done << " " << OneLine(task->name_space) << " " << OneLine(task->id) << ": "
              << TaskStatusName(task->status) << ", attempt " << task->attempts << " of "
              << task->max_attempts << "\n";
  }
  return kDone;
}

}  // namespace tracker::cli
