// The methods of TrackerService on policies. Thread-safe; they do not block.
#pragma once

#include "grpcpp/support/server_callback.h"
#include "server/unary.h"
#include "src/service/tracker.h"

namespace tracker::server {

grpc::ServerUnaryReactor* ServeSetPolicy(service::Tracker& tracker, UnaryRpc rpc);
grpc::ServerUnaryReactor* ServeGetPolicy(service::Tracker& tracker, UnaryRpc rpc);
grpc::ServerUnaryReactor* ServeListPolicies(service::Tracker& tracker, UnaryRpc rpc);
grpc::ServerUnaryReactor* ServeDeletePolicy(service::Tracker& tracker, UnaryRpc rpc);

}  // namespace tracker::server
