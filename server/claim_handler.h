// TrackerService.Claim: hands out tasks, and takes back those whose answer reached nobody.
// Thread-safe; does not block.
#pragma once

#include "grpcpp/support/server_callback.h"
#include "server/unary.h"
#include "src/service/tracker.h"

namespace tracker::server {

grpc::ServerUnaryReactor* ServeClaim(service::Tracker& tracker, UnaryRpc rpc);

}  // namespace tracker::server
