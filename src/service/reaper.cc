#include "src/service/reaper.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/random/random.h"
#include "src/base/limits.h"
#include "src/base/token.h"

namespace tracker::service {
namespace {

std::vector<domain::Command> ExpireEach(std::vector<domain::TaskKey> keys,
                                        const ReaperOptions& options) {
  absl::BitGen random;
  std::vector<domain::Command> commands;
  commands.reserve(keys.size());
  for (domain::TaskKey& key : keys) {
    std::shared_ptr<const domain::Policy> policy;
    if (options.policy_of) policy = options.policy_of(key.name_space);
    commands.push_back({.key = std::move(key),
                        .token = NewLockToken(),
                        .action = domain::Expire{},
                        .policy = std::move(policy),
                        .random = absl::Uniform(random, 0.0, 1.0)});
  }
  return commands;
}

}  // namespace

Reaper::Reaper(store::Store* store, ReaperOptions options)
    : store_(store), options_(std::move(options)) {}

absl::StatusOr<Reaped> Reaper::Step(int limit) {
  absl::StatusOr<std::vector<domain::TaskKey>> keys =
      store_->ListDue({.limit = limit + held_, .purpose = options_.purpose});
  if (!keys.ok()) return keys.status();
  Reaped reaped{.found = static_cast<int>(keys->size())};
  const std::vector<domain::Command> commands = ExpireEach(*std::move(keys), options_);
  if (commands.empty()) return reaped;
  const std::vector<const domain::Command*> pointers = domain::PointersTo(commands);
  const std::vector<domain::Outcome> outcomes =
      store_->Apply(pointers, {.patience = absl::ZeroDuration(), .purpose = options_.purpose});
  for (const domain::Outcome& outcome : outcomes) {
    reaped.ended += outcome.ok() ? 1 : 0;
    const bool stays =
        domain::MayPass(outcome.reason) || outcome.reason == domain::Reason::kInternal;
    reaped.held += stays ? 1 : 0;
  }
  TellClaimable(pointers, outcomes, options_.on_claimable);
  held_ = std::min(reaped.held, limits::kReapHeld);
  return reaped;
}

absl::StatusOr<int> ReapOnce(store::Store& store, int limit, ReaperOptions options) {
  const absl::StatusOr<Reaped> reaped = Reaper(&store, std::move(options)).Step(limit);
  if (!reaped.ok()) return reaped.status();
  return reaped->ended;
}

}  // namespace tracker::service
