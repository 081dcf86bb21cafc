// A load of trackerd from its beginning to its line on the terminal.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "tests/bench/load.h"

namespace tracker::bench {

// Makes the tasks of the load, runs it, checks that as many tasks have succeeded as the callers
// say, and prints the rates; `how` the callers do it, in a word or two.
absl::StatusOr<LoadResult> MeasureLoad(const LoadOptions& load, const std::string& how);

}  // namespace tracker::bench
