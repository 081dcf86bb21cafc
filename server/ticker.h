// Calls back at intervals of the monotonic clock. gRPC's alarms go by the wall clock: after a step
// back by an hour none of them rings for an hour. One thread for all. Thread-safe.
#pragma once

#include <functional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "src/base/monotonic.h"

namespace tracker::server {

class Ticker {
 public:
  // Often enough for a person who watches, and well within the second that is promised.
  static constexpr absl::Duration kInterval = absl::Milliseconds(250);

  // The process's. It stays until the process ends, as calls may.
  static Ticker& Shared();

  // Calls `tick` every kInterval, for the first time after one, until it answers false. It must not
  // block.
  void Add(std::function<bool()> tick);

 private:
  struct Entry {
    base::MonotonicTime next;
    std::function<bool()> tick;
  };

  Ticker();
  void Run();

  base::Bell bell_;
  absl::Mutex mutex_;
  std::vector<Entry> added_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tracker::server
