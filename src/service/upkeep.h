// What goes on by itself in the background, each on a thread of its own: the monitor of the store's
// health, the policies' refresh, the circuit breaker, the reaper, the purge, the store's Tidy
// and Vacuum, and giving back what claims could not deliver. Thread-safe.
#pragma once

#include <atomic>
#include <functional>
#include <optional>

#include "src/service/give_back_queue.h"
#include "src/service/periodic.h"
#include "src/service/policy_cache.h"
#include "src/service/purge.h"
#include "src/service/reaper.h"
#include "src/service/tracker.h"
#include "src/store/store.h"

namespace tracker::service {

class Upkeep {
 public:
  // `options` must outlive it, as all else must.
  Upkeep(store::Store* store, PolicyCache* policies, GiveBackQueue* give_back,
         const TrackerOptions& options, ReaperOptions reaper_options);

  // Whether the store answered the last time it was asked.
  bool healthy() const { return health_.load() == Health::kGood; }
  // The store did not answer somebody: has the monitor look now.
  void Suspect() { monitor_->Nudge(); }
  // Repeatable.
  void Stop();

 private:
  enum class Health { kUnknown, kGood, kBad };
  void CheckHealth();
  bool Reap();

  store::Store* const store_;
  PolicyCache* const policies_;
  const TrackerOptions& options_;
  std::atomic<Health> health_{Health::kUnknown};
  std::atomic<bool> stopping_{false};
  Reaper reaper_;
  PurgeWalk purge_;
  std::optional<Periodic> monitor_;
  std::optional<Periodic> policy_refresh_;
  std::optional<Periodic> breaker_;
  std::optional<Periodic> reaping_;
  std::optional<Periodic> purging_;
  std::optional<Periodic> tidying_;
  std::optional<Periodic> vacuuming_;
  std::optional<Periodic> returns_;
};

}  // namespace tracker::service
