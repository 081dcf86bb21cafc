// Deletes finished tasks past their namespace's retention, in bounded steps. On every replica at
// once: what one is writing, the others leave out.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/random/random.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
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

// How long after a look at a namespace that found nothing the next one comes at the latest: a
// twentieth of its retention, so that no task outlives that by more, but at most six hours, and at
// least `interval`. Pure.
absl::Duration UntilNextLook(absl::Duration retention, absl::Duration interval);

// The purge in the background: looks at all namespaces that have a retention, again and again, each
// when its next look is due. Not thread-safe.
class PurgeWalk {
 public:
  // `interval`: between two looks at a namespace in which tasks are found to go.
  PurgeWalk(store::Store* store, const PolicyCache* policies, absl::Duration interval,
            std::function<absl::Time()> now = absl::Now);

  // One step. How long to wait before the next: while there is something to do about as long as the
  // step took, so that what users wait for comes first; a quarter of that where there is more than
  // a step may delete.
  absl::Duration Step();

 private:
  // A namespace that is looked at.
  struct Place {
    absl::Time due;
    // Of its policy, when the next look was fixed.
    int64_t revision = 0;
    // Where the look goes on; none: at the beginning.
    std::optional<store::Cursor> after;
    // This look has found tasks to go.
    bool found = false;
    // How long to wait after a look that has found none.
    absl::Duration wait = absl::InfiniteDuration();
  };
  using Places = absl::flat_hash_map<std::string, Place>;

  // Takes up namespaces whose policy is new, and leaves those that have no retention any more.
  void FollowPolicies();
  void SetDue(const std::string& name_space, Place& place, absl::Time due);
  // A look at the namespace that is due first.
  absl::Duration Look(const std::string& name_space);

  store::Store* const store_;
  const PolicyCache* const policies_;
  const absl::Duration interval_;
  const std::function<absl::Time()> now_;
  absl::BitGen random_;
  // Of the policies, as they were followed last.
  int64_t generation_ = -1;
  Places places_;
  // All places by when they are due.
  std::set<std::pair<absl::Time, std::string>> order_;
};

}  // namespace tracker::service
