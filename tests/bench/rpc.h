// What the loads say to trackerd over the plain stub. Thread-safe.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tracker/v1/tracker.grpc.pb.h"

namespace tracker::bench {

// A call that a server which does not answer cannot hold for ever.
class BoundedContext : public grpc::ClientContext {
 public:
  explicit BoundedContext(absl::Duration limit = absl::Minutes(1)) {
    set_deadline(absl::ToChronoTime(absl::Now() + limit));
  }
};

// Channels of different numbers have connections of their own.
std::shared_ptr<grpc::Channel> MakeChannel(const std::string& address, int number);
std::unique_ptr<v1::TrackerService::Stub> MakeStub(const std::string& address, int number);

absl::Status FromGrpc(const grpc::Status& status);
absl::Status FromRpc(const google::rpc::Status& status);
// The first result that is a refusal.
absl::Status FirstError(const v1::BatchResponse& response);

// An error too when any of the results is one.
absl::StatusOr<v1::BatchResponse> SendBatch(v1::TrackerService::Stub& stub,
                                            const v1::BatchRequest& request);

}  // namespace tracker::bench
