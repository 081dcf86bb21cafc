// One load while it runs: which tasks are taken, and what was measured. Thread-safe.
#pragma once

#include <algorithm>
#include <atomic>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/bench/load.h"

namespace tracker::bench {

// What all callers of a run share.
struct Run {
  explicit Run(const LoadOptions& options)
      : options(options),
        measure_from(absl::Now() + options.warm_up),
        end(measure_from + options.duration) {}

  const LoadOptions& options;
  const absl::Time measure_from;
  const absl::Time end;
  std::atomic<int64_t> next{1};
  std::atomic<int64_t> cycles{0};
  std::atomic<int64_t> measured{0};
  absl::Mutex mutex;
  std::vector<absl::Duration> latencies;
  absl::Status error;

  void Finished(absl::Time began, int64_t tasks) {
    const absl::Time now = absl::Now();
    cycles += tasks;
    if (now < measure_from || now >= end) return;
    measured += tasks;
    absl::MutexLock lock(&mutex);
    latencies.push_back(now - began);
  }
  void Failed(const absl::Status& status) {
    absl::MutexLock lock(&mutex);
    if (error.ok()) error = status;
  }
  bool Over() {
    if (absl::Now() >= end) return true;
    absl::MutexLock lock(&mutex);
    return !error.ok();
  }
  // The first of `count` tasks that nobody else takes in this run; 0: they are used up.
  int64_t Take(int64_t count) {
    const int64_t first = next.fetch_add(count);
    if (first + count - 1 <= options.tasks) return first;
    Failed(absl::ResourceExhaustedError("the tasks are used up; use more with --tasks"));
    return 0;
  }

  // Once all callers have ended.
  absl::StatusOr<LoadResult> Result() {
    absl::MutexLock lock(&mutex);
    if (!error.ok()) return error;
    std::sort(latencies.begin(), latencies.end());
    return LoadResult{.cycles_per_second =
                          static_cast<double>(measured) / absl::ToDoubleSeconds(options.duration),
                      .median = Percentile(0.5),
                      .p99 = Percentile(0.99),
                      .cycles = cycles};
  }

 private:
  absl::Duration Percentile(double share) const {
    if (latencies.empty()) return absl::ZeroDuration();
    return latencies[static_cast<size_t>(share * static_cast<double>(latencies.size() - 1))];
  }
};

}  // namespace tracker::bench
