// The transport to real servers, over gRPC.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "client/src/transport.h"
#include "tracker/client.h"

namespace tracker::internal {

// `addresses` as ParseAddresses takes them. Connects with the first call. InvalidArgument: says
// what is wrong with the addresses, or with the options for TLS and tokens.
absl::StatusOr<std::shared_ptr<Transport>> NewGrpcTransport(const std::string& addresses,
                                                            const ClientOptions& options);

}  // namespace tracker::internal
