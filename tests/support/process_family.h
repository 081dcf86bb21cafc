// A process and the children that it has started, taken together: as a power cut, or a machine that
// stands still, takes a PostgreSQL.
#pragma once

#include <sys/types.h>

#include <vector>

#include "absl/status/status.h"

namespace tracker::testing {

// Stops all of them where they are, so that none makes another; answers their ids, the parent's
// first. They keep what they hold, their connections among it.
std::vector<pid_t> Freeze(pid_t parent);
// Lets them go on.
void Thaw(const std::vector<pid_t>& family);
// Ends all of them with SIGKILL, frozen or not, and returns when the children are gone. The parent
// is for whoever started it to wait for.
absl::Status KillAtOnce(pid_t parent);

}  // namespace tracker::testing
