// Deletes finished tasks past their namespace's retention, in bounded steps. On every replica at
// once: what one is writing, the others leave out, and each walks the namespaces in an order of its
// own.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/random/random.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "src/base/limits.h"
#include "src/service/policy_cache.h"
#include "src/store/store.h"

namespace tracker::service {

struct Purged {
  int64_t scanned = 0;
  // Past their retention.
  int64_t found = 0;
  // Of these, gone now.
  int64_t deleted = 0;
  // Where to go on; none: this namespace is done.
  std::optional<store::Cursor> next;
};

// One step over the tasks of one namespace that finished longer ago than `age`. A dry run deletes
// nothing.
absl::StatusOr<Purged> PurgeStep(store::Store& store, const store::FinishedQuery& query,
                                 bool dry_run);

// The purge in the background: walks over all namespaces that have a retention, again and again.
// Not thread-safe.
class PurgeWalk {
 public:
  // `interval`: from the end of one walk to the beginning of the next.
  PurgeWalk(store::Store* store, const PolicyCache* policies, absl::Duration interval);

  // One step. How long to wait before the next: within a walk about as long as the step took, so
  // that what users wait for comes first; a quarter of that where there is more than a step may
  // delete.
  absl::Duration Step();

 private:
  // Chooses the namespaces of a new walk.
  void Begin();

  store::Store* const store_;
  const PolicyCache* const policies_;
  const absl::Duration interval_;
  absl::BitGen random_;
  // Still to be walked, the last one first; and where.
  std::vector<store::FinishedQuery> queries_;
};

}  // namespace tracker::service
