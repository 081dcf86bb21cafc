#include "tests/support/trackerd_process.h"

#include <signal.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/support/child_process.h"

namespace tracker::testing {
namespace {

constexpr absl::Duration kStartLimit = absl::Seconds(30);

// The address in the log's "listening" event; empty when there is none yet.
std::string ListeningAddress(const std::string& log, size_t from) {
  const size_t event = log.find("listening", from);
  if (event == std::string::npos || log.find('\n', event) == std::string::npos) return "";
  const size_t host = log.find("127.0.0.1:", event);
  if (host == std::string::npos) return "";
  size_t end = host + std::string("127.0.0.1:").size();
  while (end < log.size() && absl::ascii_isdigit(static_cast<unsigned char>(log[end]))) ++end;
  return log.substr(host, end - host);
}

}  // namespace

absl::StatusOr<std::unique_ptr<TrackerdProcess>> TrackerdProcess::Start(
    const std::string& program, const std::string& store_url,
    const std::vector<std::string>& flags) {
  std::unique_ptr<TrackerdProcess> process(new TrackerdProcess);
  process->program_ = std::filesystem::absolute(program);
  process->store_url_ = store_url;
  process->flags_ = flags;
  std::string folder =
      (std::filesystem::temp_directory_path() / "tracker-trackerd-XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr) return absl::InternalError("cannot make a folder");
  process->folder_ = folder;
  if (absl::Status status = process->Launch("127.0.0.1:0"); !status.ok()) return status;
  return process;
}

absl::Status TrackerdProcess::Launch(const std::string& listen) {
  const size_t logged = Log().size();
  std::vector<std::string> argv = {program_, "--listen", listen, "--store", store_url_};
  argv.insert(argv.end(), flags_.begin(), flags_.end());
  absl::StatusOr<pid_t> pid = StartChild(
      argv, {.output_file = folder_ + "/log", .working_folder = folder_, .die_with_parent = true});
  if (!pid.ok()) return pid.status();
  pid_ = *pid;
  const absl::Time end = absl::Now() + kStartLimit;
  while (absl::Now() < end) {
    const std::string address = ListeningAddress(Log(), logged);
    if (!address.empty()) {
      address_ = address;
      return absl::OkStatus();
    }
    if (WaitForChild(pid_, absl::Milliseconds(10), nullptr)) {
      pid_ = -1;
      return absl::FailedPreconditionError(
          absl::StrCat("trackerd ended at its start: ", Log().substr(logged)));
    }
  }
  return absl::DeadlineExceededError(absl::StrCat("trackerd does not listen after ",
                                                  absl::FormatDuration(kStartLimit), ": ",
                                                  Log().substr(logged)));
}

absl::StatusOr<int> TrackerdProcess::StopBy(int signal, absl::Duration timeout) {
  if (pid_ <= 0) return absl::FailedPreconditionError("trackerd does not run");
  kill(pid_, signal);
  return AwaitEnd(timeout);
}

absl::StatusOr<int> TrackerdProcess::AwaitEnd(absl::Duration timeout) {
  if (pid_ <= 0) return absl::FailedPreconditionError("trackerd does not run");
  int exit_status = 0;
  if (!WaitForChild(pid_, timeout, &exit_status)) {
    return absl::DeadlineExceededError(
        absl::StrCat("trackerd still runs after ", absl::FormatDuration(timeout)));
  }
  pid_ = -1;
  return exit_status;
}

absl::Status TrackerdProcess::StartAgain() { return Launch(address_); }

std::string TrackerdProcess::Log() const {
  std::ifstream file(folder_ + "/log");
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

TrackerdProcess::~TrackerdProcess() {
  if (pid_ > 0 && !StopBy(SIGTERM, absl::Seconds(25)).ok()) (void)StopBy(SIGKILL);
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

}  // namespace tracker::testing
