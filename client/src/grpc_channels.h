// The connections to the servers of one client, and which of them the next call takes. Thread-safe.
#pragma once

#include <grpcpp/channel.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/wire/tracker.grpc.pb.h"
#include "tracker/client.h"

namespace tracker::internal {

// On the monotonic clock, so that a step of the wall clock ends no call.
gpr_timespec GrpcDeadline(absl::Duration timeout);

class GrpcChannels {
 public:
  using Stub = v1::TrackerService::Stub;
  using AdminStub = v1::AdminService::Stub;

  // Connects to nothing yet. InvalidArgument: says what is wrong with the addresses or the options.
  static absl::StatusOr<std::unique_ptr<GrpcChannels>> Open(const std::string& addresses,
                                                            const ClientOptions& options);

  // In turn, of those that are connected; where none is, in turn of all.
  Stub& Next() { return *NextEndpoint().stub; }
  // The same for AdminService.
  AdminStub& Admin() { return *NextEndpoint().admin; }

  // Waits so long, and gets on with connecting meanwhile.
  void Connect(absl::Duration duration);

  // "authorization" of each call; empty: none.
  const std::string& authorization() const { return authorization_; }

 private:
  struct Endpoint {
    std::shared_ptr<grpc::Channel> channel;
    std::unique_ptr<Stub> stub;
    std::unique_ptr<AdminStub> admin;
  };

  Endpoint& NextEndpoint();

  std::vector<Endpoint> endpoints_;  // constant after Open
  std::string authorization_;        // constant after Open
  std::atomic<size_t> turn_{0};
};

}  // namespace tracker::internal
