// A library to be preloaded into a trackerd that a test has die in the middle of a SQLite commit.
// SQLite writes with pwrite64 and flushes with fdatasync or fsync; the moments just before and just
// after each such call on a database file (.db) or its log (-wal) are counted. The file
// TRACKER_TEST_DEATH_FILE has a number of 64 bits: at 0 nothing happens; else each moment counts it
// down, and the process kills itself at that which brings it to 0. What of the call's bytes the
// kernel has is all that is left then, as after any kill -9; a power cut may leave less, which this
// does not show.
//
// From within, since no signal from outside meets such a moment by aim.
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

using Countdown = std::atomic<int64_t>;
static_assert(sizeof(Countdown) == sizeof(int64_t) && Countdown::is_always_lock_free);

// Shared with the test; null: there is none.
Countdown* TheCountdown() {
  static Countdown* const countdown = []() -> Countdown* {
    const char* path = getenv("TRACKER_TEST_DEATH_FILE");
    const int file = path != nullptr ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0) return nullptr;
    void* mapped = mmap(nullptr, sizeof(Countdown), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    return mapped == MAP_FAILED ? nullptr : static_cast<Countdown*>(mapped);
  }();
  return countdown;
}

bool EndsWith(const char* text, size_t size, const char* end) {
  const size_t end_size = strlen(end);
  return size >= end_size && memcmp(text + size - end_size, end, end_size) == 0;
}

bool IsDatabase(int file) {
  char link[64];
  char path[4096];
  (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", file);
  const ssize_t size = readlink(link, path, sizeof(path));
  if (size <= 0) return false;
  return EndsWith(path, static_cast<size_t>(size), "-wal") ||
         EndsWith(path, static_cast<size_t>(size), ".db");
}

// A moment at which the process may die.
class Moments {
 public:
  explicit Moments(int file) : file_(file) { Pass(); }
  ~Moments() { Pass(); }
  Moments(const Moments&) = delete;
  Moments& operator=(const Moments&) = delete;

 private:
  void Pass() const {
    Countdown* const countdown = TheCountdown();
    if (countdown == nullptr || countdown->load() <= 0 || !IsDatabase(file_)) return;
    if (countdown->fetch_sub(1) != 1) return;
    kill(getpid(), SIGKILL);
    while (true) pause();
  }

  const int file_;
};

}  // namespace

extern "C" {

ssize_t pwrite64(int file, const void* bytes, size_t size, off64_t offset) {
  const Moments moments(file);
  return syscall(SYS_pwrite64, file, bytes, size, offset);
}

int fdatasync(int file) {
  const Moments moments(file);
  return static_cast<int>(syscall(SYS_fdatasync, file));
}

int fsync(int file) {
  const Moments moments(file);
  return static_cast<int>(syscall(SYS_fsync, file));
}

}  // extern "C"
