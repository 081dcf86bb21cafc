// What the reaper and the purge do in the background, by hand: until nothing is left. For threads
// of their own.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "src/service/job_run.h"
#include "src/service/policy_cache.h"
#include "src/service/reaper.h"
#include "src/store/store.h"

namespace tracker::service {

// What others are writing is left to them, or to the next time: it counts as skipped. A dry run
// counts to limits::kReapCount at most.
absl::Status RunExpire(store::Store& store, const ReaperOptions& options, bool dry_run,
                       JobRun& run);

// An empty namespace: all that have a retention.
absl::Status RunPurge(store::Store& store, const PolicyCache& policies,
                      const std::string& name_space, bool dry_run, JobRun& run);

}  // namespace tracker::service
