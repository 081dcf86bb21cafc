// How a task's errors are stored: a JSON array of objects with attempt, fence, time_us, worker,
// kind, message, traceback.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "src/domain/task.h"

namespace tracker::store {

// "[]" for none.
std::string EncodeErrors(const std::vector<domain::TaskError>& errors);

// DataLoss for a text that EncodeErrors did not make.
absl::StatusOr<std::vector<domain::TaskError>> DecodeErrors(const std::string& json);

}  // namespace tracker::store
