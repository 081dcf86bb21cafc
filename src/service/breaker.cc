#include "src/service/breaker.h"

#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "src/base/limits.h"

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

namespace {

// A page of PauseFailing: pauses those of these namespaces that fail.
absl::Status PauseAmong(const std::vector<std::string>& name_spaces, store::Store& store,
                        PolicyCache& policies, const std::function<void(const Policy&)>& on_pause) {
  std::vector<PolicyCache::PolicyPointer> looked_at;
  std::vector<store::AttemptQuery> queries;
  for (const std::string& name_space : name_spaces) {
    PolicyCache::PolicyPointer policy = policies.Of(name_space);
    if (!policy || !policy->pause_on_failure || policy->paused) continue;
    // What went wrong before an operator set the policy, he has seen.
    queries.push_back({.name_space = name_space,
                       .window = policy->pause_on_failure->window,
                       .since = policy->update_time});
    looked_at.push_back(std::move(policy));
  }
  if (queries.empty()) return absl::OkStatus();
  const absl::StatusOr<std::vector<store::AttemptCount>> attempts = store.CountAttempts(queries);
  if (!attempts.ok()) return attempts.status();
  for (size_t i = 0; i < looked_at.size(); ++i) {
    Policy paused = *looked_at[i];
    paused.pause_reason = WhyPause(*paused.pause_on_failure, (*attempts)[i]);
    if (paused.pause_reason.empty()) continue;
    paused.paused = true;
    // With the revision: an operator, or another server, may have been quicker.
    const absl::StatusOr<Policy> stored = policies.Set(paused, looked_at[i]->revision);
    if (stored.ok() && on_pause) on_pause(*stored);
  }
  return absl::OkStatus();
}

}  // namespace

void PauseFailing(store::Store& store, PolicyCache& policies,
                  const std::function<void(const Policy&)>& on_pause) {
  if (!policies.AnyPausesOnFailure()) return;
  std::string after;
  while (true) {
    const absl::StatusOr<std::vector<std::string>> attempted =
        store.ListAttempted(after, limits::kNamePageSize);
    if (!attempted.ok() || !PauseAmong(*attempted, store, policies, on_pause).ok()) return;
    if (static_cast<int>(attempted->size()) < limits::kNamePageSize) return;
    after = attempted->back();
  }
}

}  // namespace tracker::service
