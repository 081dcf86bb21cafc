#include "tests/support/process_family.h"

#include <signal.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace tracker::testing {
namespace {

// A killed process is gone as soon as the kernel has freed its memory.
constexpr absl::Duration kEndTimeout = absl::Seconds(30);
constexpr absl::Duration kLook = absl::Milliseconds(5);

struct State {
  // 'T': stopped; 'Z': ended, and not yet waited for. 0: there is no such process.
  char letter = 0;
  pid_t parent = 0;
};

// From /proc/PID/stat: "PID (name) LETTER PARENT ...", where the name may have any character.
State StateOf(pid_t pid) {
  std::ifstream file(absl::StrCat("/proc/", pid, "/stat"));
  std::string text;
  std::getline(file, text);
  const size_t name_end = text.rfind(") ");
  if (name_end == std::string::npos) return {};
  const std::vector<std::string> fields = absl::StrSplit(text.substr(name_end + 2), ' ');
  State state;
  if (fields.size() > 1 && !fields[0].empty() && absl::SimpleAtoi(fields[1], &state.parent)) {
    state.letter = fields[0][0];
  }
  return state;
}

std::vector<pid_t> ChildrenOf(pid_t parent) {
  std::vector<pid_t> children;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    pid_t pid = 0;
    if (!absl::SimpleAtoi(entry.path().filename().string(), &pid)) continue;
    if (StateOf(pid).parent == parent) children.push_back(pid);
  }
  return children;
}

template <typename Condition>
bool Await(const Condition& condition) {
  const absl::Time end = absl::Now() + kEndTimeout;
  while (!condition()) {
    if (absl::Now() > end) return false;
    absl::SleepFor(kLook);
  }
  return true;
}

bool IsGone(pid_t pid) {
  const char letter = StateOf(pid).letter;
  return letter == 0 || letter == 'Z';
}

}  // namespace

std::vector<pid_t> Freeze(pid_t parent) {
  const auto stop = [](pid_t pid) {
    kill(pid, SIGSTOP);
    Await([&] { return IsGone(pid) || StateOf(pid).letter == 'T'; });
  };
  // First, so that no child comes after those that are found.
  stop(parent);
  std::vector<pid_t> family = {parent};
  for (const pid_t child : ChildrenOf(parent)) {
    stop(child);
    family.push_back(child);
  }
  return family;
}

void Thaw(const std::vector<pid_t>& family) {
  for (const pid_t pid : family) kill(pid, SIGCONT);
}

absl::Status KillAtOnce(pid_t parent) {
  const std::vector<pid_t> family = Freeze(parent);
  for (const pid_t pid : family) kill(pid, SIGKILL);
  for (size_t i = 1; i < family.size(); ++i) {
    if (!Await([&] { return IsGone(family[i]); })) {
      return absl::DeadlineExceededError(absl::StrCat("process ", family[i], " does not end"));
    }
  }
  return absl::OkStatus();
}

}  // namespace tracker::testing
