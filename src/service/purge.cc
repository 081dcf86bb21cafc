#include "src/service/purge.h"

#include <algorithm>
#include <utility>

#include "src/base/monotonic.h"
#include "src/base/token.h"

namespace tracker::service {
namespace {

// Of the wait between two steps. A second is for a database that is in trouble.
constexpr absl::Duration kMinPause = absl::Milliseconds(5);
constexpr absl::Duration kMaxPause = absl::Seconds(1);

int64_t Delete(store::Store& store, const store::FinishedPage& page, store::Purpose purpose) {
  if (page.keys.empty()) return 0;
  std::vector<domain::Command> commands;
  commands.reserve(page.keys.size());
  for (const domain::TaskKey& key : page.keys) {
    commands.push_back(
        {.key = key, .token = NewLockToken(), .action = domain::Purge{.before = page.before}});
  }
  int64_t deleted = 0;
  for (const domain::Outcome& outcome :
       store.Apply(domain::PointersTo(commands),
                   {.patience = absl::ZeroDuration(), .purpose = purpose})) {
    // One that has changed meanwhile is answered as it stands.
    const bool gone = outcome.ok() && outcome.task && domain::Finished(outcome.task->status) &&
                      outcome.task->update_time <= page.before;
    deleted += gone ? 1 : 0;
  }
  return deleted;
}

}  // namespace

absl::StatusOr<Purged> PurgeStep(store::Store& store, const store::FinishedQuery& query,
                                 bool dry_run) {
  absl::StatusOr<store::FinishedPage> page = store.ListFinished(query);
  if (!page.ok()) return page.status();
  Purged purged{.scanned = page->scanned, .found = static_cast<int64_t>(page->keys.size())};
  if (!dry_run) purged.deleted = Delete(store, *page, query.purpose);
  purged.next = std::move(page->next);
  return purged;
}

PurgeWalk::PurgeWalk(store::Store* store, const PolicyCache* policies, absl::Duration interval)
    : store_(store), policies_(policies), interval_(interval) {}

void PurgeWalk::Begin() {
  for (const PolicyCache::PolicyPointer& policy : policies_->All()) {
    if (!policy->retention) continue;
    queries_.push_back({.name_space = policy->name_space, .age = *policy->retention});
  }
  std::shuffle(queries_.begin(), queries_.end(), random_);
}

absl::Duration PurgeWalk::Step() {
  if (queries_.empty()) Begin();
  if (queries_.empty()) return interval_;
  const base::MonotonicTime began = base::MonotonicNow();
  store::FinishedQuery& query = queries_.back();
  bool behind = false;
  // The policy of today: the walk may have taken long to come here.
  const PolicyCache::PolicyPointer policy = policies_->Of(query.name_space);
  if (policy && policy->retention) {
    query.age = *policy->retention;
    absl::StatusOr<Purged> purged = PurgeStep(*store_, query, /*dry_run=*/false);
    if (!purged.ok()) {
      // The next walk will be there again.
      queries_.pop_back();
      return kMaxPause;
    }
    // As much as there may be in a step: there is more, and it must not be made faster than it
    // goes.
    behind = purged->found >= query.limit;
    query.after = std::move(purged->next);
  } else {
    query.after.reset();
  }
  if (!query.after) queries_.pop_back();
  if (queries_.empty()) return interval_;
  const absl::Duration took = base::MonotonicNow() - began;
  return std::clamp(behind ? took / 4 : took, kMinPause, kMaxPause);
}

}  // namespace tracker::service
