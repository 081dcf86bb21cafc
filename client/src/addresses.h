// Where servers are, as users write it. Pure.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace tracker::internal {

// The port of an address that names none.
inline constexpr int kDefaultPort = 7070;
// More servers than this are better put behind one name.
inline constexpr size_t kMaxAddresses = 32;

// "host:port", "host", "[::1]:port", "unix:path" or a gRPC target such as "dns:///name:port";
// several are separated by commas. The result is what gRPC takes. InvalidArgument: says which
// address is wrong, and how.
absl::StatusOr<std::vector<std::string>> ParseAddresses(const std::string& addresses);

}  // namespace tracker::internal
