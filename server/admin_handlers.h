// tracker.v1.AdminService: what trackerd does in the background, by hand. Thread-safe; no handler
// blocks.
#pragma once

#include <memory>

#include "grpcpp/impl/service_type.h"
#include "src/service/tracker.h"

namespace tracker::server {

// `tracker` must outlive the service, and stay until the gRPC server that serves it is shut down.
std::unique_ptr<grpc::Service> MakeAdminService(service::Tracker* tracker);

}  // namespace tracker::server
