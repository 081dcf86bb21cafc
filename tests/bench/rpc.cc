#include "tests/bench/rpc.h"

namespace tracker::bench {

std::shared_ptr<grpc::Channel> MakeChannel(const std::string& address, int number) {
  grpc::ChannelArguments arguments;
  // Different arguments: else all channels would share one connection.
  arguments.SetInt("tracker.bench.channel", number);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

std::unique_ptr<v1::TrackerService::Stub> MakeStub(const std::string& address, int number) {
  return v1::TrackerService::NewStub(MakeChannel(address, number));
}

absl::Status FromGrpc(const grpc::Status& status) {
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

absl::Status FromRpc(const google::rpc::Status& status) {
  return absl::Status(static_cast<absl::StatusCode>(status.code()), status.message());
}

absl::Status FirstError(const v1::BatchResponse& response) {
  for (const v1::OperationResult& result : response.results()) {
    if (result.has_error()) return FromRpc(result.error());
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::BatchResponse> SendBatch(v1::TrackerService::Stub& stub,
                                            const v1::BatchRequest& request) {
  v1::BatchResponse response;
  BoundedContext context;
  if (grpc::Status status = stub.Batch(&context, request, &response); !status.ok()) {
    return FromGrpc(status);
  }
  if (absl::Status refused = FirstError(response); !refused.ok()) return refused;
  return response;
}

}  // namespace tracker::bench
