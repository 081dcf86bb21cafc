#include "src/service/breaker.h"

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace tracker::service {

using domain::Policy;

std::string WhyPause(const domain::PauseOnFailure& rule, const store::AttemptCount& attempts) {
  if (attempts.ended == 0 || attempts.ended < rule.min_attempts) return "";
  const double share = static_cast<double>(attempts.failed) / static_cast<double>(attempts.ended);
  if (share < rule.share) return "";
  return absl::StrCat(attempts.failed, " of the last ", attempts.ended, " attempts, ",
                      attempts.failed * 100 / attempts.ended, " %, failed within ",
                      absl::FormatDuration(rule.window));
}

void PauseFailing(store::Store& store, PolicyCache& policies,
                  const std::function<void(const Policy&)>& on_pause) {
  for (const PolicyCache::PolicyPointer& policy : policies.All()) {
    if (!policy->pause_on_failure || policy->paused) continue;
    const domain::PauseOnFailure& rule = *policy->pause_on_failure;
    // What went wrong before an operator set the policy, he has seen.
    const absl::StatusOr<store::AttemptCount> attempts =
        store.CountAttempts(policy->name_space, rule.window, policy->update_time);
    if (!attempts.ok()) return;
    Policy paused = *policy;
    paused.pause_reason = WhyPause(rule, *attempts);
    if (paused.pause_reason.empty()) continue;
    paused.paused = true;
    // With the revision: an operator, or another server, may have been quicker.
    const absl::StatusOr<Policy> stored = policies.Set(paused, policy->revision);
    if (stored.ok() && on_pause) on_pause(*stored);
  }
}

}  // namespace tracker::service
