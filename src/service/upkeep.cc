#include "src/service/upkeep.h"

#include <utility>

#include "src/base/limits.h"
#include "src/service/breaker.h"

namespace tracker::service {
namespace {

// Counter rows pile up by a few a commit; a second's worth costs a Count little.
constexpr absl::Duration kTidyInterval = absl::Seconds(1);
// A namespace that fails is paused within about this.
constexpr absl::Duration kBreakerInterval = absl::Seconds(1);
constexpr absl::Duration kReturnInterval = absl::Seconds(1);

}  // namespace

Upkeep::Upkeep(store::Store* store, PolicyCache* policies, GiveBackQueue* give_back,
               const TrackerOptions& options, ReaperOptions reaper_options)
    : store_(store),
      policies_(policies),
      options_(options),
      reaper_(store, std::move(reaper_options)),
      purge_(store, policies, options.purge_interval) {
  const auto always = [](absl::Duration interval, auto step) {
    return [interval, step] {
      step();
      return interval;
    };
  };
  monitor_.emplace(always(options.ping_interval, [this] { CheckHealth(); }));
  // A database that is away is the monitor's to tell: the others pass over it.
  policy_refresh_.emplace(
      always(options.policy_interval, [policies] { (void)policies->Refresh(); }));
  breaker_.emplace(always(
      kBreakerInterval, [this, policies] { PauseFailing(*store_, *policies, options_.on_pause); }));
  tidying_.emplace(always(kTidyInterval, [this] { (void)store_->Tidy(); }));
  // Apart from Tidy: a vacuum of a large table takes minutes.
  const auto go_on = [this] {
    return stopping_.load() ? absl::UnavailableError("the server is stopping") : absl::OkStatus();
  };
  vacuuming_.emplace(always(kTidyInterval, [this, go_on] { (void)store_->Vacuum(go_on); }));
  returns_.emplace(always(kReturnInterval, [give_back] { give_back->Retry(); }));
  if (options.reap) reaping_.emplace(options.reap_interval, [this] { return Reap(); });
  if (options.purge) {
    purging_.emplace([this, policies] {
      (void)policies->Load();
      return purge_.Step();
    });
  }
}

void Upkeep::CheckHealth() {
  const absl::Status status = store_->Ping();
  const Health now = status.ok() ? Health::kGood : Health::kBad;
  if (health_.exchange(now) != now && options_.on_health) {
    options_.on_health(status.ok(), store::ForLog(status));
  }
}

bool Upkeep::Reap() {
  // An attempt must not be the last for want of knowing that there may be more.
  if (!policies_->Load().ok()) return false;
  const absl::StatusOr<Reaped> reaped = reaper_.Step(limits::kReapBatch);
  return reaped.ok() && reaped->found >= limits::kReapBatch && reaped->ended > 0;
}

void Upkeep::Stop() {
  stopping_.store(true);
  for (std::optional<Periodic>* periodic : {&purging_, &reaping_, &breaker_, &returns_, &vacuuming_,
                                            &tidying_, &policy_refresh_, &monitor_}) {
    if (*periodic) (*periodic)->Stop();
  }
}

}  // namespace tracker::service
