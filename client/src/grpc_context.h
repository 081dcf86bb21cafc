// One call's gRPC context, and its cancellation. Not thread-safe, but for the cancellation.
#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/support/status.h>

#include <stop_token>
#include <string>

#include "absl/status/status.h"
#include "client/src/grpc_channels.h"
#include "client/src/status_details.h"
#include "client/src/transport.h"

namespace tracker::internal {

class GrpcContext {
 public:
  GrpcContext(const CallOptions& options, const std::string& authorization)
      : stopped_(options.cancelled), stop_(options.cancelled, Cancel{&context_}) {
    context_.set_deadline(GrpcDeadline(options.timeout));
    context_.set_wait_for_ready(options.wait_for_connection);
    if (!authorization.empty()) context_.AddMetadata("authorization", authorization);
  }
  grpc::ClientContext* get() { return &context_; }

  absl::Status StatusOf(const grpc::Status& status) const {
    if (status.ok()) return absl::OkStatus();
    // A server that stops may cancel what it has not begun to serve.
    if (status.error_code() == grpc::StatusCode::CANCELLED && !stopped_.stop_requested())
      return absl::UnavailableError("the server cancelled the call; it is most likely stopping");
    return MakeStatus(static_cast<int>(status.error_code()), status.error_message(),
                      status.error_details());
  }

 private:
  struct Cancel {
    grpc::ClientContext* context;
    void operator()() const { context->TryCancel(); }
  };
  grpc::ClientContext context_;
  std::stop_token stopped_;
  std::stop_callback<Cancel> stop_;
};

}  // namespace tracker::internal
