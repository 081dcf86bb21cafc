#include "tests/support/child_process.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace tracker::testing {
namespace {

// Ends the child, and says on its error output why. Here and below: only what is safe between fork
// and exec, while other threads of the parent hold locks.
[[noreturn]] void GiveUp(int exit_status, const char* what, const char* name) {
  const char* why = strerrordesc_np(errno);
  for (const char* text : {what, " ", name, ": ", why, "\n"}) {
    if (write(STDERR_FILENO, text, strlen(text)) < 0) break;
  }
  _exit(exit_status);
}

// Whatever root executes has these capabilities again, unless they are out of bounds.
bool DropPowerOverPermissions() {
  for (const int capability : {CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH}) {
    const int held = prctl(PR_CAPBSET_READ, capability, 0, 0, 0);
    if (held > 0 && prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) return false;
  }
  return true;
}

// Keeps, over the change of the user and over exec, root's way through folders that are closed to
// others. Where root has no such thing, neither has the child.
void KeepWayIntoClosedFolders() {
  __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {};
  if (syscall(SYS_capget, &header, sets) != 0) return;
  constexpr uint32_t kBit = 1U << CAP_DAC_READ_SEARCH;
  sets[0].effective |= sets[0].permitted & kBit;
  sets[0].inheritable |= sets[0].permitted & kBit;
  if (syscall(SYS_capset, &header, sets) != 0) return;
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_READ_SEARCH, 0, 0);
}

[[noreturn]] void BecomeChild(char* const* argv, const ChildOptions& options, pid_t parent) {
  setsid();
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  const int input = options.input >= 0 ? options.input : open("/dev/null", O_RDONLY);
  const char* output_file = options.output_file.empty() ? "/dev/null" : options.output_file.c_str();
  const int output = open(output_file, O_WRONLY | O_APPEND | O_CREAT, 0644);
  if (output < 0) GiveUp(126, "cannot write to", output_file);
  dup2(output, STDOUT_FILENO);
  dup2(output, STDERR_FILENO);
  if (input < 0) GiveUp(126, "cannot read", "/dev/null");
  dup2(input, STDIN_FILENO);
  close_range(STDERR_FILENO + 1, ~0U, 0);
  if (options.heed_permissions && geteuid() == 0 && !DropPowerOverPermissions()) {
    GiveUp(126, "cannot drop the power over permissions for", argv[0]);
  }
  if (options.uid != 0) {
    prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
    if (setgroups(0, nullptr) != 0 || setgid(options.gid) != 0 || setuid(options.uid) != 0) {
      GiveUp(126, "cannot change the user for", argv[0]);
    }
    KeepWayIntoClosedFolders();
  }
  if (chdir(options.working_folder.c_str()) != 0) {
    GiveUp(126, "cannot go to", options.working_folder.c_str());
  }
  if (options.die_with_parent) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    // It may have died before.
    if (getppid() != parent) _exit(126);
  }
  execv(argv[0], argv);
  GiveUp(127, "cannot run", argv[0]);
}

}  // namespace

absl::StatusOr<pid_t> StartChild(const std::vector<std::string>& argv,
                                 const ChildOptions& options) {
  std::vector<char*> pointers;
  pointers.reserve(argv.size() + 1);
  for (const std::string& argument : argv) pointers.push_back(const_cast<char*>(argument.c_str()));
  pointers.push_back(nullptr);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot fork for ", argv[0]));
  if (pid == 0) BecomeChild(pointers.data(), options, parent);
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

std::string DescribeExit(int exit_status) {
  if (WIFSIGNALED(exit_status)) return absl::StrCat("signal ", WTERMSIG(exit_status));
  return absl::StrCat("exit status ", WEXITSTATUS(exit_status));
}

}  // namespace tracker::testing
