// The transport of a client that was asked for with wrong options: each call answers what is wrong.
#pragma once

#include <memory>

#include "absl/status/status.h"
#include "client/src/transport.h"

namespace tracker::internal {

std::shared_ptr<Transport> NewRefusingTransport(absl::Status refusal);

}  // namespace tracker::internal
