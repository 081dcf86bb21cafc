// How a fuzz target says that something does not hold: it ends the process, which makes the fuzzer
// keep the input.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace tracker::fuzz {

inline void Must(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

}  // namespace tracker::fuzz
