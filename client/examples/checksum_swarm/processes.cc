#include "client/examples/checksum_swarm/processes.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "absl/strings/str_cat.h"

extern char** environ;

namespace swarm {
namespace {

// So many workers may end on their own before the swarm gives up: the server is gone for good.
constexpr int kMaxGaveUp = 8;

std::vector<char*> Pointers(const std::vector<std::string>& words) {
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (const std::string& word : words) pointers.push_back(const_cast<char*>(word.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

Processes::Processes(const Options& options)
    : options_(options), slots_(static_cast<size_t>(options.workers)), random_(options.seed) {}

Processes::~Processes() {
  for (const Slot& slot : slots_) {
    if (slot.pid > 0) kill(slot.pid, SIGKILL);
  }
  for (const Slot& slot : slots_) {
    if (slot.pid > 0) waitpid(slot.pid, nullptr, 0);
  }
}

absl::Status Processes::Spawn(Slot* slot) {
  const std::vector<std::string> words = {
      "checksum_swarm",
      "--worker",
      "--parent",
      absl::StrCat(getpid()),
      "--acks",
      options_.acks,
      "--server",
      options_.server,
      "--namespace",
      options_.name_space,
      "--lease",
      absl::FormatDuration(options_.lease),
      "--seed",
      absl::StrCat(options_.seed + static_cast<uint64_t>(++spawned_)),
      "--",
      options_.directory};
  slot->killed = false;
  // exec at once: a fork that goes on would inherit half of gRPC's threads.
  const int error =
      posix_spawn(&slot->pid, "/proc/self/exe", nullptr, nullptr, Pointers(words).data(), environ);
  if (error == 0) return absl::OkStatus();
  slot->pid = -1;
  return absl::InternalError(absl::StrCat("cannot start a worker: ", std::strerror(error)));
}

absl::Status Processes::Start() {
  for (Slot& slot : slots_) {
    if (absl::Status status = Spawn(&slot); !status.ok()) return status;
  }
  if (options_.chaos) next_kill_ = absl::Now() + options_.chaos_interval;
  return absl::OkStatus();
}

absl::Status Processes::Tend() {
  if (absl::Now() >= next_kill_) KillOne();
  for (Slot& slot : slots_) {
    int status = 0;
    if (slot.pid < 0 || waitpid(slot.pid, &status, WNOHANG) != slot.pid) continue;
    slot.pid = -1;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
      slot.finished = true;
      continue;
    }
    if (!slot.killed && ++gave_up_ > kMaxGaveUp)
      return absl::UnavailableError("workers keep ending on their own");
    if (absl::Status spawned = Spawn(&slot); !spawned.ok()) return spawned;
  }
  return absl::OkStatus();
}

void Processes::KillOne() {
  // The time between kills is exponential: as likely at any moment of a task.
  next_kill_ =
      absl::Now() + options_.chaos_interval * std::exponential_distribution<double>(1.0)(random_);
  Slot& slot = slots_[random_() % slots_.size()];
  if (slot.pid < 0 || slot.killed || kill(slot.pid, SIGKILL) != 0) return;
  slot.killed = true;
  ++killed_;
}

bool Processes::done() const {
  for (const Slot& slot : slots_) {
    if (!slot.finished) return false;
  }
  return true;
}

int Processes::running() const {
  int running = 0;
  for (const Slot& slot : slots_) running += slot.pid > 0 ? 1 : 0;
  return running;
}

absl::StatusOr<int> RunCommand(const std::vector<std::string>& command,
                               const std::string& directory, const std::string& in,
                               const std::string& out) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, in.c_str(), O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, out.c_str(),
                                   O_WRONLY | O_CREAT | O_TRUNC, 0600);
  // What cannot be read shows in the output, by its absence.
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addchdir_np(&actions, directory.c_str());
  pid_t pid = -1;
  const int error =
      posix_spawnp(&pid, command[0].c_str(), &actions, nullptr, Pointers(command).data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0)
    return absl::InternalError(absl::StrCat("cannot run ", command[0], ": ", std::strerror(error)));
  int status = 0;
  while (waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return absl::InternalError(std::strerror(errno));
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

}  // namespace swarm
