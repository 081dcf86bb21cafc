#include "client/src/grpc_transport.h"

#include <grpcpp/support/status.h>

#include <system_error>
#include <thread>
#include <utility>

#include "client/src/grpc_channels.h"
#include "client/src/grpc_context.h"
#include "client/wire/tracker.grpc.pb.h"

namespace tracker::internal {
namespace {

using Stub = GrpcChannels::Stub;

// While one lives, its thread runs a callback of gRPC.
class InCallback {
 public:
  InCallback() : before_(std::exchange(here_, true)) {}
  ~InCallback() { here_ = before_; }
  InCallback(const InCallback&) = delete;
  InCallback& operator=(const InCallback&) = delete;

  static bool here() { return here_; }

 private:
  static thread_local bool here_;
  const bool before_;
};

thread_local bool InCallback::here_ = false;

// Whoever closes a process's last channel waits for the threads on which gRPC runs its callbacks. A
// callback may be the last that needs a channel, when its client is gone already, and must not wait
// for itself: gRPC 1.51 frees the queue all the same, and then reads from it.
void Close(const GrpcChannels* channels) {
  if (!InCallback::here()) {
    delete channels;
    return;
  }
  try {
    std::thread([channels] { delete channels; }).detach();
  } catch (const std::system_error&) {
    // No thread is to be had: the channels stay open as long as the process lives.
  }
}

class GrpcTransport : public Transport {
 public:
  explicit GrpcTransport(std::unique_ptr<GrpcChannels> channels)
      : channels_(channels.release(), &Close) {}

  absl::StatusOr<v1::Task> Write(const v1::Operation& op, const CallOptions& options) override {
    switch (op.operation_case()) {
      case v1::Operation::kCreate: return TaskCall(&Stub::Create, op.create(), options);
      case v1::Operation::kStart: return TaskCall(&Stub::Start, op.start(), options);
      case v1::Operation::kHeartbeat: return TaskCall(&Stub::Heartbeat, op.heartbeat(), options);
      case v1::Operation::kSucceed: return TaskCall(&Stub::Succeed, op.succeed(), options);
      case v1::Operation::kFail: return TaskCall(&Stub::Fail, op.fail(), options);
      case v1::Operation::kRelease: return TaskCall(&Stub::Release, op.release(), options);
      case v1::Operation::kIgnore: return TaskCall(&Stub::Ignore, op.ignore(), options);
      case v1::Operation::kReset: return TaskCall(&Stub::Reset, op.reset(), options);
      case v1::Operation::kDelete: return TaskCall(&Stub::Delete, op.delete_(), options);
      case v1::Operation::OPERATION_NOT_SET: break;
    }
    return absl::InternalError("an operation without a kind");
  }

  void Batch(v1::BatchRequest request, const CallOptions& options, BatchCallback done) override {
    struct Call {
      Call(std::shared_ptr<GrpcChannels> channels, const CallOptions& options)
          : channels(std::move(channels)), context(options, this->channels->authorization()) {}
      // Before the context, which holds a channel, so that this is what closes it.
      const std::shared_ptr<GrpcChannels> channels;
      GrpcContext context;
      v1::BatchRequest request;
      v1::BatchResponse response;
      BatchCallback done;
    };
    auto call = std::make_shared<Call>(channels_, options);
    call->request = std::move(request);
    call->done = std::move(done);
    channels_->Next().async()->Batch(call->context.get(), &call->request, &call->response,
                                     [call](const grpc::Status& status) mutable {
                                       const InCallback here;
                                       if (status.ok()) {
                                         call->done(std::move(call->response));
                                       } else {
                                         call->done(call->context.StatusOf(status));
                                       }
                                       call.reset();
                                     });
  }

  absl::StatusOr<v1::Task> Get(const v1::GetRequest& request, const CallOptions& options) override {
    return TaskCall(&Stub::Get, request, options);
  }
  absl::StatusOr<v1::ListResponse> List(const v1::ListRequest& request,
                                        const CallOptions& options) override {
    return UnaryCall(&Stub::List, request, options);
  }
  absl::StatusOr<v1::CountResponse> Count(const v1::CountRequest& request,
                                          const CallOptions& options) override {
    return UnaryCall(&Stub::Count, request, options);
  }

  absl::StatusOr<v1::ClaimResponse> Claim(const v1::ClaimRequest& request,
                                          const CallOptions& options) override {
    return UnaryCall(&Stub::Claim, request, options);
  }

  void Pause(Clock&, absl::Duration duration) override { channels_->Connect(duration); }

 private:
  template <typename Request, typename Response>
  using Method = grpc::Status (Stub::*)(grpc::ClientContext*, const Request&, Response*);

  template <typename Request, typename Response>
  absl::StatusOr<Response> UnaryCall(Method<Request, Response> method, const Request& request,
                                     const CallOptions& options) {
    GrpcContext context(options, channels_->authorization());
    Response response;
    const grpc::Status status = (channels_->Next().*method)(context.get(), request, &response);
    if (!status.ok()) return context.StatusOf(status);
    return response;
  }

  template <typename Request, typename Response>
  absl::StatusOr<v1::Task> TaskCall(Method<Request, Response> method, const Request& request,
                                    const CallOptions& options) {
    auto response = UnaryCall(method, request, options);
    if (!response.ok()) return response.status();
    return std::move(*response->mutable_task());
  }

  const std::shared_ptr<GrpcChannels> channels_;
};

}  // namespace

absl::StatusOr<std::shared_ptr<Transport>> NewGrpcTransport(const std::string& addresses,
                                                            const ClientOptions& options) {
  auto channels = GrpcChannels::Open(addresses, options);
  if (!channels.ok()) return channels.status();
  return std::make_shared<GrpcTransport>(*std::move(channels));
}

}  // namespace tracker::internal
