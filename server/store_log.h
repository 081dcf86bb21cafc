// Writes down what the store tells of its database: one event a line. An outage makes thousands of
// errors a second that say the same; of each kind one is written within kStoreLogInterval, with how
// many like it were left out before it. Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "src/store/store.h"

namespace tracker::server {

// Seldom enough to leave the log readable in an outage, often enough to see that it goes on.
inline constexpr absl::Duration kStoreLogInterval = absl::Seconds(10);

class StoreLog {
 public:
  // `left_out`: how many like it were not written since the last one that was.
  using Write = std::function<void(const store::StoreEvent& event, int64_t left_out)>;

  // Writes to the log.
  StoreLog();
  // For tests.
  StoreLog(Write write, std::function<absl::Time()> now);

  void On(const store::StoreEvent& event);

 private:
  struct Seen {
    absl::Time written = absl::InfinitePast();
    int64_t left_out = 0;
  };

  const Write write_;
  const std::function<absl::Time()> now_;
  absl::Mutex mutex_;
  // By name and code, of which there are no more than the database has codes.
  std::map<std::pair<std::string, std::string>, Seen> seen_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tracker::server
