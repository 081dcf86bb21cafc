#include "src/service/upkeep_jobs.h"

#include <algorithm>
#include <utility>

#include "src/base/limits.h"
#include "src/service/purge.h"

namespace tracker::service {
namespace {

// Steps in a row that found something to end and ended nothing: the next would not either.
constexpr int kFruitless = 10;

absl::Status CountDue(store::Store& store, JobRun& run) {
  absl::StatusOr<std::vector<domain::TaskKey>> keys;
  absl::Status status = run.Persist([&] {
    keys = store.ListDue(
        {.limit = limits::kReapCount, .purpose = store::Purpose::kJob, .only_look = true});
    return keys.status();
  });
  if (!status.ok()) return status;
  run.progress.scanned = run.progress.matched = static_cast<int64_t>(keys->size());
  return run.EndStep();
}

absl::Status PurgeNamespace(store::Store& store, store::FinishedQuery query, bool dry_run,
                            JobRun& run) {
  do {
    absl::StatusOr<Purged> purged;
    absl::Status status = run.Persist([&] {
      purged = PurgeStep(store, query, dry_run);
      return purged.status();
    });
    if (!status.ok()) return status;
    run.progress.scanned += purged->scanned;
    run.progress.matched += purged->found;
    run.progress.updated += purged->deleted;
    if (!dry_run) run.progress.skipped += purged->found - purged->deleted;
    if (status = run.EndStep(); !status.ok()) return status;
    query.after = std::move(purged->next);
  } while (query.after);
  return absl::OkStatus();
}

}  // namespace

absl::Status RunExpire(store::Store& store, const ReaperOptions& options, bool dry_run,
                       JobRun& run) {
  if (dry_run) return CountDue(store, run);
  ReaperOptions of_job = options;
  of_job.purpose = store::Purpose::kJob;
  Reaper reaper(&store, std::move(of_job));
  int held = 0;
  int fruitless = 0;
  while (true) {
    absl::StatusOr<Reaped> reaped;
    absl::Status status = run.Persist([&] {
      reaped = reaper.Step(limits::kReapBatch);
      return reaped.status();
    });
    if (!status.ok()) return status;
    // What was held comes again in the next step.
    const int fresh = std::max(0, reaped->found - held);
    held = reaped->held;
    run.progress.scanned += fresh;
    run.progress.matched += fresh;
    run.progress.updated += reaped->ended;
    run.progress.skipped = std::max<int64_t>(0, run.progress.matched - run.progress.updated);
    if (status = run.EndStep(); !status.ok()) return status;
    fruitless = reaped->ended > 0 ? 0 : fruitless + 1;
    const bool stuck = fruitless == kFruitless || (fruitless > 0 && held >= limits::kReapHeld);
    if (fresh < limits::kReapBatch || stuck) return absl::OkStatus();
  }
}

absl::Status RunPurge(store::Store& store, const PolicyCache& policies,
                      const std::string& name_space, bool dry_run, JobRun& run) {
  for (const PolicyCache::PolicyPointer& policy : policies.All()) {
    if (!policy->retention) continue;
    if (!name_space.empty() && policy->name_space != name_space) continue;
    absl::Status status = PurgeNamespace(store,
                                         {.name_space = policy->name_space,
                                          .age = *policy->retention,
                                          .purpose = store::Purpose::kJob},
                                         dry_run, run);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace tracker::service
