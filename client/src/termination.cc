#include "tracker/termination.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <utility>

namespace tracker {
namespace {

constexpr int kSignals[] = {SIGTERM, SIGINT};
constexpr int kSlots = 8;
constexpr int kFree = -1;
constexpr char kAsked = 'a';
constexpr char kDone = 'd';

// Where each object waits: the end of a pipe that the signal handler writes to.
std::array<std::atomic<int>, kSlots> write_ends = {kFree, kFree, kFree, kFree,
                                                   kFree, kFree, kFree, kFree};
std::mutex mutex;
int objects = 0;                                                // guarded by mutex
std::array<struct sigaction, std::size(kSignals)> before = {};  // guarded by mutex

// Only what may be called from a signal handler.
void Handle(int signal) {
  const int error = errno;
  for (const auto& end : write_ends) {
    const int fd = end.load();
    if (fd != kFree) (void)!write(fd, &kAsked, 1);
  }
  struct sigaction by_default = {};
  by_default.sa_handler = SIG_DFL;
  sigaction(signal, &by_default, nullptr);
  errno = error;
}

[[noreturn]] void Die(const char* what) {
  std::fprintf(stderr, "tracker: OnTermination: %s\n", what);
  std::abort();
}

void Install() {
  for (size_t i = 0; i < std::size(kSignals); ++i) {
    struct sigaction action = {};
    action.sa_handler = Handle;
    sigemptyset(&action.sa_mask);
    action.sa_flags = SA_RESTART;
    sigaction(kSignals[i], &action, &before[i]);
  }
}

void Restore() {
  for (size_t i = 0; i < std::size(kSignals); ++i) sigaction(kSignals[i], &before[i], nullptr);
}

}  // namespace

OnTermination::OnTermination(std::function<void()> callback) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) Die("no pipe could be made");
  read_end_ = ends[0];
  thread_ = std::thread([read_end = read_end_, callback = std::move(callback)] {
    char what = 0;
    ssize_t got = 0;
    do {
      got = read(read_end, &what, 1);
    } while (got < 0 && errno == EINTR);
    if (got == 1 && what == kAsked) callback();
  });
  std::lock_guard lock(mutex);
  for (slot_ = 0; slot_ < kSlots; ++slot_) {
    int free = kFree;
    if (write_ends[static_cast<size_t>(slot_)].compare_exchange_strong(free, ends[1])) break;
  }
  if (slot_ == kSlots) Die("more than 8 at a time");
  if (objects++ == 0) Install();
}

OnTermination::~OnTermination() {
  int write_end = kFree;
  {
    std::lock_guard lock(mutex);
    write_end = write_ends[static_cast<size_t>(slot_)].exchange(kFree);
    if (--objects == 0) Restore();
  }
  (void)!write(write_end, &kDone, 1);
  thread_.join();
  close(write_end);
  close(read_end_);
}

}  // namespace tracker
