// A caller that claims tasks and finishes them with one Batch, again and again.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "tests/bench/load_run.h"
#include "tests/bench/rpc.h"

namespace tracker::bench {

// For RunAsyncCallers. An answer without tasks is an error: the load must not run dry.
class ClaimCaller {
 public:
  ClaimCaller(Run* run, v1::TrackerService::Stub* stub, grpc::CompletionQueue* queue);

  bool Begin();
  bool Answered();

 private:
  bool Finish();

  Run* const run_;
  v1::TrackerService::Stub* const stub_;
  grpc::CompletionQueue* const queue_;
  absl::Time began_;
  bool claiming_ = false;
  std::optional<BoundedContext> context_;
  grpc::Status status_;
  v1::ClaimRequest claim_;
  v1::ClaimResponse claimed_;
  v1::BatchRequest finish_;
  v1::BatchResponse finished_;
  std::unique_ptr<grpc::ClientAsyncResponseReader<v1::ClaimResponse>> claim_call_;
  std::unique_ptr<grpc::ClientAsyncResponseReader<v1::BatchResponse>> finish_call_;
};

}  // namespace tracker::bench
