// Sees to the tasks whose alarm has come: ends the attempts whose lease is over, so that a crashed
// worker's task comes back, and makes claimable what has waited for its time. On every replica at
// once: what one is writing, the others leave out, and what one has done, the others find done.
//
// Not thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "src/domain/policy.h"
#include "src/service/claimable.h"
#include "src/store/store.h"

namespace tracker::service {

struct Reaped {
  // Whose alarm had come; as many as the limit: there may be more.
  int found = 0;
  // Of these, how many were written.
  int ended = 0;
  // Of these, how many are still there: somebody else was writing them, or they cannot be read.
  int held = 0;
};

struct ReaperOptions {
  std::function<std::shared_ptr<const domain::Policy>(const std::string& name_space)> policy_of;
  store::Purpose purpose = store::Purpose::kUpkeep;
  // Called for each namespace of which a step left a task claimable.
  OnClaimable on_claimable;
};

class Reaper {
 public:
  Reaper(store::Store* store, ReaperOptions options);

  // One bounded step over the earliest alarms: `limit` of them, and as many more as were held the
  // last time, so that rows which somebody holds for long keep none behind them waiting.
  absl::StatusOr<Reaped> Step(int limit);

 private:
  store::Store* const store_;
  const ReaperOptions options_;
  int held_ = 0;
};

// One step of a reaper that remembers nothing. How many tasks were written: none: nothing is left,
// or what is left is held.
absl::StatusOr<int> ReapOnce(store::Store& store, int limit, ReaperOptions options = {});

}  // namespace tracker::service
