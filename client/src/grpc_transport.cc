#include <grpcpp/grpcpp.h>

#include <utility>

#include "client/src/status_details.h"
#include "client/src/transport.h"
#include "tracker/v1/tracker.grpc.pb.h"

namespace tracker::internal {
namespace {

using Stub = v1::TrackerService::Stub;

absl::Status FromGrpc(const grpc::Status& status) {
  return MakeStatus(static_cast<int>(status.error_code()), status.error_message(),
                    status.error_details());
}

// On the monotonic clock, so that a step of the wall clock ends no call.
gpr_timespec Deadline(absl::Duration timeout) {
  const gpr_timespec now = gpr_now(GPR_CLOCK_MONOTONIC);
  if (timeout >= absl::Hours(24 * 365)) return gpr_inf_future(GPR_CLOCK_MONOTONIC);
  return gpr_time_add(now, gpr_time_from_nanos(absl::ToInt64Nanoseconds(timeout), GPR_TIMESPAN));
}

// One call's context, and its cancellation.
class Context {
 public:
  explicit Context(const CallOptions& options) : stop_(options.cancelled, Cancel{&context_}) {
    context_.set_deadline(Deadline(options.timeout));
    context_.set_wait_for_ready(options.wait_for_connection);
  }
  grpc::ClientContext* get() { return &context_; }

 private:
  struct Cancel {
    grpc::ClientContext* context;
    void operator()() const { context->TryCancel(); }
  };
  grpc::ClientContext context_;
  std::stop_callback<Cancel> stop_;
};

class GrpcTransport : public Transport {
 public:
  explicit GrpcTransport(std::shared_ptr<grpc::Channel> channel)
      : channel_(std::move(channel)), stub_(v1::TrackerService::NewStub(channel_)) {}

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

  void Batch(const v1::BatchRequest& request, const CallOptions& options,
             BatchCallback done) override {
    struct Call {
      explicit Call(const CallOptions& options) : context(options) {}
      Context context;
      v1::BatchRequest request;
      v1::BatchResponse response;
      BatchCallback done;
    };
    auto call = std::make_shared<Call>(options);
    call->request = request;
    call->done = std::move(done);
    stub_->async()->Batch(call->context.get(), &call->request, &call->response,
                          [call](grpc::Status status) mutable {
                            if (status.ok()) {
                              call->done(std::move(call->response));
                            } else {
                              call->done(FromGrpc(status));
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

  // gRPC gets on with connecting only while some thread waits inside of it: after a plain sleep the
  // connection would be as broken as before, for many seconds.
  void Pause(Clock&, absl::Duration duration) override {
    const gpr_timespec end = Deadline(duration);
    grpc_connectivity_state state = channel_->GetState(/*try_to_connect=*/true);
    while (channel_->WaitForStateChange(state, end)) state = channel_->GetState(true);
  }

 private:
  template <typename Request, typename Response>
  using Method = grpc::Status (Stub::*)(grpc::ClientContext*, const Request&, Response*);

  template <typename Request, typename Response>
  absl::StatusOr<Response> UnaryCall(Method<Request, Response> method, const Request& request,
                                     const CallOptions& options) {
    Context context(options);
    Response response;
    const grpc::Status status = (stub_.get()->*method)(context.get(), request, &response);
    if (!status.ok()) return FromGrpc(status);
    return response;
  }

  template <typename Request, typename Response>
  absl::StatusOr<v1::Task> TaskCall(Method<Request, Response> method, const Request& request,
                                    const CallOptions& options) {
    auto response = UnaryCall(method, request, options);
    if (!response.ok()) return response.status();
    return std::move(*response->mutable_task());
  }

  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<Stub> stub_;
};

}  // namespace

std::shared_ptr<Transport> NewGrpcTransport(const std::string& address) {
  grpc::ChannelArguments arguments;
  // gRPC waits up to two minutes before it tries to connect again, and 20 s for a connection: far
  // longer than a server takes to restart, or a lease to end.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 2000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  return std::make_shared<GrpcTransport>(
      grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments));
}

}  // namespace tracker::internal
