// Makes the tasks that a load needs, by Batch.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/statusor.h"

namespace tracker::bench {

struct CreateOptions {
  std::string address;
  std::string name_space;
  // "task-<first>" to "task-<last>".
  int64_t first = 1;
  int64_t last = 0;
  // Each sends one Batch of 1000 after another.
  int callers = 4;
  // How many are made, after each Batch; called by any of the callers' threads, one at a time.
  std::function<void(int64_t)> progress;
};

struct CreateRates {
  // Tasks a second: overall, and of the last tenth.
  double overall = 0;
  double last_tenth = 0;
};

// An error when any is refused, or on an interrupt.
absl::StatusOr<CreateRates> CreateTasks(const CreateOptions& options);

}  // namespace tracker::bench
