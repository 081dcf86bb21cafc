#include "tests/support/child_process.h"

#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace tracker::testing {
namespace {

// Between fork and exec: only what is safe there while other threads hold locks.
[[noreturn]] void BecomeChild(char* const* argv, const ChildOptions& options) {
  setsid();
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  const int input = options.input >= 0 ? options.input : open("/dev/null", O_RDONLY);
  const char* output_file = options.output_file.empty() ? "/dev/null" : options.output_file.c_str();
  const int output = open(output_file, O_WRONLY | O_APPEND | O_CREAT, 0644);
  if (input < 0 || output < 0) _exit(126);
  dup2(input, STDIN_FILENO);
  dup2(output, STDOUT_FILENO);
  dup2(output, STDERR_FILENO);
  close_range(STDERR_FILENO + 1, ~0U, 0);
  if (options.uid != 0 &&
      (setgroups(0, nullptr) != 0 || setgid(options.gid) != 0 || setuid(options.uid) != 0)) {
    _exit(126);
  }
  if (chdir(options.working_folder.c_str()) != 0) _exit(126);
  if (options.die_with_parent) prctl(PR_SET_PDEATHSIG, SIGKILL);
  execv(argv[0], argv);
  _exit(127);
}

}  // namespace

absl::StatusOr<pid_t> StartChild(const std::vector<std::string>& argv,
                                 const ChildOptions& options) {
  std::vector<char*> pointers;
  for (const std::string& argument : argv) pointers.push_back(const_cast<char*>(argument.c_str()));
  pointers.push_back(nullptr);
  const pid_t pid = fork();
  if (pid < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot fork for ", argv[0]));
  if (pid == 0) BecomeChild(pointers.data(), options);
  return pid;
}

bool WaitForChild(pid_t pid, absl::Duration timeout, int* exit_status) {
  const absl::Time end = absl::Now() + timeout;
  while (true) {
    const pid_t ended = waitpid(pid, exit_status, WNOHANG);
    if (ended == pid || (ended < 0 && errno == ECHILD)) return true;
    if (absl::Now() >= end) return false;
    absl::SleepFor(absl::Milliseconds(5));
  }
}

}  // namespace tracker::testing
