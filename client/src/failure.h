// How work failed, as a report says it.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "tracker/guard.h"

namespace tracker::internal {

struct Failure {
  std::string message;
  // Without a traceback.
  FailOptions options;
};

// "DATA_LOSS: page 3", with what NonRetryable and RetryAfter have marked.
Failure FailureOf(const absl::Status& status);

// The name of a type, from what std::type_info calls it.
std::string TypeName(const char* mangled);

// To be called in a catch block. "std::runtime_error: text", with "; caused by ..." for nested
// ones; what is thrown but no std::exception is named by its type.
Failure FailureOfCurrentException();

}  // namespace tracker::internal
