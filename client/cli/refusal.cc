#include "client/cli/refusal.h"

#include <iostream>

#include "absl/strings/str_cat.h"
#include "client/cli/show.h"
#include "client/cli/text.h"
#include "tracker/errors.h"

namespace tracker::cli {
namespace {

bool Unreachable(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
}

// gRPC names the cause behind all that it tried.
std::string Cause(const absl::Status& status) {
  std::string text(status.message());
  for (const std::string mark : {"last error: ", "Failed to connect to remote host: "}) {
    const size_t at = text.find(mark);
    if (at != std::string::npos) text.erase(0, at + mark.size());
  }
  return OneLine(text);
}

std::string Command(const Asked& asked, const std::string& name, const std::string& flags = "") {
  return absl::StrCat(asked.program, " ", name, " ", Quote(asked.name_space), " ", Quote(asked.id),
                      flags.empty() ? "" : " ", flags);
}

std::string Holder(const absl::Status& status) {
  const auto task = TaskOf(status);
  std::string text;
  if (task && !task->worker.empty()) absl::StrAppend(&text, "Held by ", OneLine(task->worker));
  if (const auto rest = RetryAfterOf(status)) {
    absl::StrAppend(&text, text.empty() ? "Held" : "", " for ", Short(*rest), " more");
    if (task && task->lock_expire_time) {
      absl::StrAppend(&text, " (until ",
                      absl::FormatTime("%H:%M:%S", *task->lock_expire_time, absl::LocalTimeZone()),
                      " unless renewed)");
    }
  }
  return text.empty() ? text : text + ". ";
}

std::string LostTo(const absl::Status& status) {
  const auto task = TaskOf(status);
  if (!task) return "";
  std::string text = absl::StrCat("The task is ", TaskStatusName(task->status), " now");
  if (!task->worker.empty()) {
    absl::StrAppend(&text,
                    task->status == TaskStatus::kInProgress ? ", held by " : ", last held by ",
                    OneLine(task->worker));
  }
  return absl::StrCat(text, ", fence ", task->fence, ". ");
}

std::string Advice(const absl::Status& status, const Asked& asked) {
  switch (ReasonOf(status)) {
    case Reason::kTaskNotFound: return absl::StrCat("Create it:  ", Command(asked, "create"));
    case Reason::kTaskExists:
      return absl::StrCat("Look at it:  ", Command(asked, "get"),
                          "\nTo accept one that is there, add --allow-existing.");
    case Reason::kTaskLocked:
      return absl::StrCat(Holder(status), "Wait; or, if that worker is gone, take it over:  ",
                          Command(asked, "start", "--ignore-lock"));
    case Reason::kLockLost:
      return absl::StrCat(LostTo(status),
                          "Nothing was changed; whoever worked with this lock should stop.\n"
                          "Look at it:  ",
                          Command(asked, "get"));
    case Reason::kTaskNotAvailable: {
      const auto rest = RetryAfterOf(status);
      return rest ? absl::StrCat("It can be started in ", Short(*rest), ".") : "";
    }
    case Reason::kNamespacePaused:
      return absl::StrCat("Nothing is started until it is resumed:  ", asked.program, " resume ",
                          Quote(asked.name_space));
    case Reason::kTaskNotReady: return "It can be started once the earlier steps have succeeded.";
    case Reason::kTaskExhausted:
      return absl::StrCat("Why it failed:  ", Command(asked, "get"),
                          "\nTo have it tried again:  ", Command(asked, "reset"));
    case Reason::kTaskSucceeded:
    case Reason::kTaskIgnored:
      return absl::StrCat("To do it all the same:  ", Command(asked, "start", "--force"),
                          "\nTo make it pending again:  ", Command(asked, "reset"));
    case Reason::kOverloaded: return "The server has too much to do; try again in a moment.";
    case Reason::kStoreUnavailable:
      return "trackerd runs, but cannot reach its database; its log says why.";
    default: return "";
  }
}

void PrintJson(const absl::Status& status) {
  nlohmann::ordered_json error;
  const bool unreachable = Unreachable(status) && ReasonOf(status) == Reason::kNone;
  error["reason"] = unreachable ? "UNREACHABLE" : ReasonName(ReasonOf(status));
  error["code"] = absl::StatusCodeToString(status.code());
  error["message"] = std::string(status.message());
  error["retry_after_ms"] = nullptr;
  if (const auto rest = RetryAfterOf(status))
    error["retry_after_ms"] = absl::ToInt64Milliseconds(*rest);
  error["task"] = nullptr;
  if (const auto task = TaskOf(status)) error["task"] = TaskJson(*task);
  nlohmann::ordered_json line;
  line["error"] = std::move(error);
  std::cerr << line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << "\n";
}

}  // namespace

int ExplainRefusal(const absl::Status& status, const Asked& asked) {
  const Reason reason = ReasonOf(status);
  if (asked.json) {
    PrintJson(status);
  } else if (Unreachable(status) && reason == Reason::kNone) {
    std::cerr << "trackerctl: no answer from a trackerd at " << asked.server << ": "
              << Cause(status) << "\n"
              << "Start one:  trackerd --listen " << asked.server
              << "\nor name another with --server HOST:PORT or TRACKER_SERVER.\n";
  } else {
    std::cerr << "trackerctl: "
              << (reason == Reason::kNone ? absl::StatusCodeToString(status.code())
                                          : std::string(ReasonName(reason)))
              << ": " << OneLine(std::string(status.message())) << "\n";
    const std::string advice = Advice(status, asked);
    if (!advice.empty()) std::cerr << advice << "\n";
  }
  return Unreachable(status) ? kUnavailable : kRefused;
}

}  // namespace tracker::cli
