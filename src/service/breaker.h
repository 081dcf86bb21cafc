// The circuit breaker: pauses a namespace in which most attempts fail, where its policy says so.
// On every server at once: whoever sets the policy first has paused it.
#pragma once

#include <functional>
#include <string>

#include "src/domain/policy.h"
#include "src/service/policy_cache.h"
#include "src/store/store.h"

namespace tracker::service {

// What the counted attempts say; empty: nothing against going on. Pure.
std::string WhyPause(const domain::PauseOnFailure& rule, const store::AttemptCount& attempts);

// One look at each namespace with such a policy in which attempts have ended lately: two statements
// for a thousand of them, and one where there are none. `on_pause` is told the policy as it is
// stored now.
void PauseFailing(store::Store& store, PolicyCache& policies,
                  const std::function<void(const domain::Policy&)>& on_pause);

}  // namespace tracker::service
