// A library to be preloaded into a program that writes an SQLite file: it kills the program in the
// middle of a commit. The file TRACKER_TEST_DYING_COMMIT holds a number, eight bytes in the
// machine's order; 0: nothing happens. Each write to a database or its log, and each flush of one,
// counts it down; the one that brings it to 0 is the program's last, and an odd one does not happen
// any more. So a test that tries one number after the other kills it before and after each step.
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>

namespace {

// Shared with whoever arms it.
std::atomic<int64_t>* Countdown() {
  static std::atomic<int64_t>* const countdown = []() -> std::atomic<int64_t>* {
    static std::atomic<int64_t> never{0};
    const char* path = getenv("TRACKER_TEST_DYING_COMMIT");
    const int file = path != nullptr ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0) return &never;
    void* mapped = mmap(nullptr, sizeof(int64_t), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    return mapped == MAP_FAILED ? &never : static_cast<std::atomic<int64_t>*>(mapped);
  }();
  return countdown;
}

bool IsDatabase(int file) {
  char link[64];
  char path[PATH_MAX];
  snprintf(link, sizeof(link), "/proc/self/fd/%d", file);
  const ssize_t length = readlink(link, path, sizeof(path) - 1);
  if (length < 4) return false;
  path[length] = '\0';
  return strcmp(path + length - 4, "-wal") == 0 || strcmp(path + length - 3, ".db") == 0;
}

// Steps left, this one included; 0: it is not one.
int64_t Step(int file) {
  std::atomic<int64_t>& countdown = *Countdown();
  if (countdown.load(std::memory_order_relaxed) <= 0 || !IsDatabase(file)) return 0;
  return countdown.fetch_sub(1);
}

void Die() {
  kill(getpid(), SIGKILL);
  while (true) pause();
}

template <typename Function>
Function Next(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

template <typename Call>
auto Do(int file, const Call& call) {
  // The greatest number seen is the one that it was armed with.
  static std::atomic<int64_t> armed{0};
  const int64_t left = Step(file);
  if (left > armed) armed = left;
  if (left == 1 && armed % 2 == 1) Die();
  const auto result = call();
  if (left == 1) Die();
  return result;
}

}  // namespace

extern "C" {

ssize_t pwrite64(int file, const void* bytes, size_t count, off64_t offset) {
  static const auto next = Next<decltype(&pwrite64)>("pwrite64");
  return Do(file, [&] { return next(file, bytes, count, offset); });
}

int fsync(int file) {
  static const auto next = Next<decltype(&fsync)>("fsync");
  return Do(file, [&] { return next(file); });
}

int fdatasync(int file) {
  static const auto next = Next<decltype(&fdatasync)>("fdatasync");
  return Do(file, [&] { return next(file); });
}

}  // extern "C"
