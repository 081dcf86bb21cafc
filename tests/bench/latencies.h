// Latencies as they were measured, and what they say. Thread-safe.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace tracker::bench {

struct Percentiles {
  absl::Duration median;
  absl::Duration p99;
};

class Latencies {
 public:
  void Add(absl::Duration latency) {
    absl::MutexLock lock(&mutex_);
    latencies_.push_back(latency);
  }

  // Of all since the last Take; zeros when there were none.
  Percentiles Take() {
    std::vector<absl::Duration> taken;
    {
      absl::MutexLock lock(&mutex_);
      taken = std::exchange(latencies_, {});
    }
    if (taken.empty()) return {};
    std::sort(taken.begin(), taken.end());
    const auto at = [&](double share) {
      return taken[static_cast<size_t>(share * static_cast<double>(taken.size() - 1))];
    };
    return {.median = at(0.5), .p99 = at(0.99)};
  }

 private:
  absl::Mutex mutex_;
  std::vector<absl::Duration> latencies_ ABSL_GUARDED_BY(mutex_);
};

// In milliseconds, as "1.25 ms".
inline std::string Milliseconds(absl::Duration time) {
  return absl::StrFormat("%.2f ms", absl::ToDoubleMilliseconds(time));
}

}  // namespace tracker::bench
