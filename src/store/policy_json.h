// How a policy is stored: a JSON object, without the namespace, the revision and the time, which
// are columns. Durations are microseconds; what is not set is left out.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "src/domain/policy.h"

namespace tracker::store {

std::string EncodePolicy(const domain::Policy& policy);

// DataLoss for a text that EncodePolicy did not make. Keys that it does not know, of a newer
// version, are passed over.
absl::StatusOr<domain::Policy> DecodePolicy(const std::string& json);

}  // namespace tracker::store
