// The model's task against what an answer shows of it.
//
// The model does not know when a command took effect that was never answered, only a bound. Such a
// time is open: it carries a quarter of a nanosecond, which no time of a database has, and which
// goes along into all that is computed from it. An answer that shows it settles it.
#pragma once

#include <optional>

#include "absl/time/time.h"
#include "src/domain/policy.h"
#include "src/domain/task.h"
#include "tests/chaos/acts.h"

namespace tracker::chaos {

// The open time that is not before `bound`.
absl::Time OpenFrom(absl::Time bound);
bool IsOpen(absl::Time time);

// Whether `shown` is `task` as the server shows it; `whole`: with its data and errors. Settles the
// open times of `task` that are shown; leaves it as it was when it does not match.
bool Matches(const v1::Task& shown, bool whole, const domain::Policy& policy, domain::Task& task);

}  // namespace tracker::chaos
