// The gRPC side of trackerd: the port, the services, health, reflection, and the bounds on what
// clients may ask of the process. Thread-safe after Start.
#pragma once

#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "grpcpp/server.h"
#include "server/config.h"
#include "server/health.h"
#include "src/service/tracker.h"

namespace tracker::server {

class GrpcServer {
 public:
  // Serves from now on. `tracker` and `health` must outlive it. The error says in one line why the
  // address cannot be had and what to do.
  static absl::StatusOr<std::unique_ptr<GrpcServer>> Start(const Config& config,
                                                           service::Tracker* tracker,
                                                           Health* health);
  // Shuts down at once, if that has not been done.
  ~GrpcServer();
  GrpcServer(const GrpcServer&) = delete;
  GrpcServer& operator=(const GrpcServer&) = delete;

  // Where it serves, with the actual port.
  const std::string& address() const { return address_; }

  // Sends clients away at once, while `finish` sees to it that the calls under way are answered;
  // those still open `flush` after it are cancelled: health watchers, who would stay for ever.
  // Returns when all are gone. Repeatable.
  void Drain(absl::FunctionRef<void()> finish, absl::Duration flush);

  // Accepts nothing more and returns when the calls that are open have been answered; those still
  // open at `deadline` are cancelled. Repeatable.
  void Shutdown(absl::Time deadline);

 private:
  GrpcServer(service::Tracker* tracker, Health* health);

  const std::unique_ptr<grpc::Service> service_;
  const std::unique_ptr<grpc::Service> admin_;
  Health* const health_;
  std::string address_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace tracker::server
