// How work failed, as a report says it.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "tracker/guard.h"

namespace tracker::internal {

struct Failure {
  std::string message;
  FailOptions options;
};

// "DATA_LOSS: page 3", with what NonRetryable and RetryAfter have marked.
Failure FailureOf(const absl::Status& status);

// To be called in a catch block. The message is "std::runtime_error: text", with "; caused by ..."
// for each exception that is nested in it. What is no std::exception is named by its type, and a
// string, a C string or an absl::Status also by its text. The traceback has what the exceptions
// carry (CarriesTraceback), below a line for each of them where there are several.
Failure FailureOfCurrentException();

}  // namespace tracker::internal
