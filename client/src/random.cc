#include "client/src/random.h"

#include <errno.h>
#include <sys/random.h>

#include <cstdio>
#include <cstdlib>
#include <random>

namespace tracker::internal {

std::string NewLock() {
  unsigned char bytes[16];
  ssize_t got = 0;
  do {
    // Up to 256 bytes come whole.
    got = getrandom(bytes, sizeof bytes, 0);
  } while (got < 0 && errno == EINTR);
  if (got != sizeof bytes) {
    std::perror("tracker: getrandom");
    std::abort();
  }
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string lock;
  for (unsigned char byte : bytes) {
    lock += kDigits[byte >> 4];
    lock += kDigits[byte & 15];
  }
  return lock;
}

double Uniform(double low, double high) {
  thread_local std::minstd_rand engine{std::random_device{}()};
  return std::uniform_real_distribution<double>(low, high)(engine);
}

}  // namespace tracker::internal
