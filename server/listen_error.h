// Why an address cannot be listened on: gRPC does not say so in a way that a program can read.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace tracker::server {

// Call it after gRPC failed to listen on `address`. Tries the address once more for the system's
// reason. One line, with what to do.
absl::Status ListenError(const std::string& address);

}  // namespace tracker::server
