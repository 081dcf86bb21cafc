// A progress bar on stderr; where that is no terminal, a line every tenth. Thread-compatible.
#pragma once

#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace tracker::bench {

class Progress {
 public:
  Progress(std::string what, int64_t total);

  void Update(int64_t done);

 private:
  const std::string what_;
  const int64_t total_;
  const absl::Time began_;
  const bool terminal_;
  absl::Time drawn_;
  int64_t tenths_ = 0;
};

}  // namespace tracker::bench
