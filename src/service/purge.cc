#include "src/service/purge.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "src/base/monotonic.h"
#include "src/base/token.h"

namespace tracker::service {
namespace {

// Of the wait between two steps. A second is for a database that is in trouble.
constexpr absl::Duration kMinPause = absl::Milliseconds(5);
constexpr absl::Duration kMaxPause = absl::Seconds(1);
// After a step that found nothing to delete: with however many namespaces, twenty looks a second
// are the most that this costs an idle database.
constexpr absl::Duration kEmptyPause = absl::Milliseconds(50);
constexpr absl::Duration kLongestWait = absl::Hours(6);
// New namespaces that are due together without a thought, and over how long more are spread.
constexpr size_t kAtOnce = 1000;
constexpr absl::Duration kLongestSpread = absl::Minutes(10);

int64_t Delete(store::Store& store, const store::FinishedPage& page, store::Purpose purpose) {
  if (page.keys.empty()) return 0;
  std::vector<domain::Command> commands;
  commands.reserve(page.keys.size());
  for (const domain::TaskKey& key : page.keys) {
    commands.push_back(
        {.key = key, .token = NewLockToken(), .action = domain::Purge{.before = page.before}});
  }
  int64_t deleted = 0;
  for (const domain::Outcome& outcome : store.Apply(
           domain::PointersTo(commands), {.patience = absl::ZeroDuration(), .purpose = purpose})) {
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

absl::Duration UntilNextLook(absl::Duration retention, absl::Duration interval) {
  return std::max(interval, std::min(retention / 20, kLongestWait));
}

PurgeWalk::PurgeWalk(store::Store* store, const PolicyCache* policies, absl::Duration interval,
                     std::function<absl::Time()> now)
    : store_(store), policies_(policies), interval_(interval), now_(std::move(now)) {}

void PurgeWalk::SetDue(const std::string& name_space, Place& place, absl::Time due) {
  order_.erase({place.due, name_space});
  place.due = due;
  order_.emplace(due, name_space);
}

void PurgeWalk::FollowPolicies() {
  // The number first: what changes after it is found the next time.
  const int64_t generation = policies_->generation();
  if (generation == generation_) return;
  generation_ = generation;
  const std::vector<PolicyCache::PolicyPointer> retained = policies_->WithRetention();
  const absl::Time now = now_();
  const bool many = retained.size() > places_.size() + kAtOnce;
  Places places;
  places.reserve(retained.size());
  for (const PolicyCache::PolicyPointer& policy : retained) {
    const auto known = places_.find(policy->name_space);
    if (known != places_.end() && known->second.revision == policy->revision) {
      places.insert(std::move(*known));
      continue;
    }
    // At a start with many namespaces those with a short retention come first.
    const absl::Duration spread =
        many ? std::min(*policy->retention / 1000, kLongestSpread) : absl::ZeroDuration();
    places[policy->name_space] = {.due = now + spread * absl::Uniform(random_, 0.0, 1.0),
                                  .revision = policy->revision};
  }
  places_ = std::move(places);
  order_.clear();
  for (const auto& [name_space, place] : places_) order_.emplace(place.due, name_space);
}

absl::Duration PurgeWalk::Step() {
  FollowPolicies();
  if (order_.empty()) return interval_;
  const auto& [due, name_space] = *order_.begin();
  const absl::Duration early = due - now_();
  // A new policy must not wait for long.
  if (early > absl::ZeroDuration()) return std::min(early, interval_);
  return Look(std::string(name_space));
}

absl::Duration PurgeWalk::Look(const std::string& name_space) {
  Place& place = places_.at(name_space);
  const PolicyCache::PolicyPointer policy = policies_->Of(name_space);
  const absl::Time began = now_();
  if (!policy || !policy->retention) {
    // It has changed just now: the next step follows.
    SetDue(name_space, place, began + interval_);
    return kMinPause;
  }
  const store::FinishedQuery query = {
      .name_space = name_space, .age = *policy->retention, .after = place.after};
  absl::StatusOr<Purged> purged = PurgeStep(*store_, query, /*dry_run=*/false);
  const absl::Time ended = now_();
  if (!purged.ok()) {
    place.after.reset();
    SetDue(name_space, place, ended + interval_);
    return kMaxPause;
  }
  place.found |= purged->found > 0;
  place.after = std::move(purged->next);
  if (!place.after) {
    const bool found = std::exchange(place.found, false);
    const absl::Duration wait =
        found ? interval_ : std::min(place.wait, UntilNextLook(*policy->retention, interval_));
    SetDue(name_space, place, ended + wait * absl::Uniform(random_, 0.9, 1.1));
    // One empty look among others that find something tells little.
    place.wait = 4 * wait;
  }
  const absl::Duration took = ended - began;
  if (purged->found == 0) return std::clamp(took, kEmptyPause, kMaxPause);
  // As much as there may be in a step: there is more, and it must not be made faster than it goes.
  const bool behind = purged->found >= query.limit;
  return std::clamp(behind ? took / 4 : took, kMinPause, kMaxPause);
}

}  // namespace tracker::service
