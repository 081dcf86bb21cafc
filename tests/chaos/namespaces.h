// The namespaces in which a chaos run works, and the policy of each. They hold for the whole run,
// so that the checker knows by which rules each command was decided.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "src/domain/policy.h"

namespace tracker::chaos {

using Policies = std::map<std::string, std::shared_ptr<const domain::Policy>>;

// Few tasks, so that workers meet on them all the time.
inline constexpr int kTasksOfANamespace = 4;
// Short, so that many leases end in a run; several times what a call takes when nothing is wrong.
inline constexpr absl::Duration kLease = absl::Seconds(2);

// "plain", "patient" (waits between attempts), "stubborn" (many attempts) and "forgetful" (finished
// tasks are purged). No jitter: the checker could not know what was drawn.
Policies ChaosPolicies();

}  // namespace tracker::chaos
