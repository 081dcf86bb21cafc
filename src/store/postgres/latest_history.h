// Which primary is the last one that a store has met. After a failover an old primary may go on, or
// come back, if nobody has fenced it: it must not be read from, nor written to, by whoever knows
// its successor. Of two histories of one database cluster that with the higher timeline is later,
// and of two runs on one timeline the one that was met last; another cluster, as after a move, is
// always the later one.
//
// Thread-safe.
#pragma once

#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"

namespace tracker::store::postgres {

class LatestHistory {
 public:
  // Of a new connection, as Connection::history has it: remembers it if it is later than what was
  // met before. False: it is earlier.
  bool Admit(absl::string_view history);
  // Whether the connection leads to the last primary. A server that does not tell is taken for it.
  bool IsCurrent(absl::string_view history) const;
  std::string Get() const;

 private:
  mutable absl::Mutex mutex_;
  std::string latest_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tracker::store::postgres
