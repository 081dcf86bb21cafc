// Work under a guard, from its call to its report: what Client::Run and Worker share.
#pragma once

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "tracker/client.h"
#include "tracker/guard.h"

namespace tracker::internal {

// Calls `work` with the guard, and reports how it went, as Client::Run says; also answers and
// throws as it says.
absl::Status WorkAndReport(TaskGuard& guard, absl::FunctionRef<WorkResult(TaskGuard&)> work);

}  // namespace tracker::internal
