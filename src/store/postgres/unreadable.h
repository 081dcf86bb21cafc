// Tasks that the database cannot read (DataLoss: a damaged row), found among candidates and left
// out for a while, so that one of them does not keep all others from being claimed. Thread-safe.
#pragma once

#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "src/base/monotonic.h"
#include "src/domain/task.h"
#include "src/store/postgres/connection.h"

namespace tracker::store::postgres {

class Unreadable {
 public:
  // Reads each of the tasks, halving what fails, and remembers those that cannot be read. How many
  // these are. Without a transaction, since one would end with the first failure.
  absl::StatusOr<int> Find(Connection& connection, int bucket,
                           const std::vector<domain::TaskKey>& keys);

  // The ids of those of a namespace, of late.
  std::vector<std::string> Of(const std::string& name_space);

 private:
  absl::Mutex mutex_;
  // Until when each is left out. Afterwards it is tried anew: it may have been mended.
  absl::flat_hash_map<domain::TaskKey, base::MonotonicTime> until_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tracker::store::postgres
