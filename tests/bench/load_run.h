// One load while it runs: which tasks are taken, and what was measured. Thread-safe.
#pragma once

#include <atomic>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/bench/interrupt.h"
#include "tests/bench/latencies.h"
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
  Latencies latencies;
  absl::Mutex mutex;
  absl::Status error;

  void Finished(absl::Time began, int64_t tasks) {
    const absl::Time now = absl::Now();
    cycles += tasks;
    if (now < measure_from || now >= end) return;
    measured += tasks;
    latencies.Add(now - began);
  }
  void Failed(const absl::Status& status) {
    absl::MutexLock lock(&mutex);
    if (error.ok()) error = status;
  }
  bool Over() {
    if (absl::Now() >= end) return true;
    if (Interrupted()) Failed(InterruptedError());
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
    const Percentiles taken = latencies.Take();
    return LoadResult{.cycles_per_second =
                          static_cast<double>(measured) / absl::ToDoubleSeconds(options.duration),
                      .median = taken.median,
                      .p99 = taken.p99,
                      .cycles = cycles};
  }
};

}  // namespace tracker::bench
