#include "server/grpc_server.h"

#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "grpc/grpc.h"
#include "grpc/health/v1/health.pb.h"
#include "grpcpp/ext/proto_server_reflection_plugin.h"
#include "grpcpp/health_check_service_interface.h"
#include "grpcpp/resource_quota.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server_builder.h"
#include "server/admin_handlers.h"
#include "server/handlers.h"
#include "server/listen_error.h"
#include "src/base/limits.h"
#include "src/base/monotonic.h"

namespace tracker::server {
namespace {

// gRPC answers health checks without a description of them; linking ours in lets reflection show
// it.
void DescribeHealth() { grpc::health::v1::HealthCheckRequest::descriptor(); }

// Longer than any drain: the process leaves before.
constexpr absl::Duration kForever = absl::Hours(24);

int Millis(absl::Duration duration) {
  return static_cast<int>(absl::ToInt64Milliseconds(duration));
}

// gRPC 1.51 cannot count connections. What bounds them: one that does not complete its handshake is
// closed soon, one whose peer is gone is found by pings, one that is idle is closed, and the memory
// of all is bounded; and the process's limit of open files holds for all.
void BoundConnections(const Config& config, grpc::ServerBuilder& builder) {
  grpc::ResourceQuota quota("trackerd");
  quota.Resize(static_cast<size_t>(config.rpc_memory_mib) * 1024 * 1024);
  builder.SetResourceQuota(quota);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, config.max_streams);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, Millis(absl::Seconds(10)));
  // Clients reconnect by themselves.
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, Millis(absl::Minutes(30)));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, Millis(absl::Minutes(1)));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Millis(absl::Seconds(20)));
}

void Configure(const Config& config, grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(static_cast<int>(limits::kRequestBytes));
  builder.SetMaxSendMessageSize(static_cast<int>(limits::kRequestBytes));
  // gRPC 1.51 looks at a message's size when it has decompressed it: a few hundred kilobytes can
  // become gigabytes. Requests are small; nobody needs it.
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_DEFLATE, false);
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_GZIP, false);
  BoundConnections(config, builder);
  // Workers ping to notice a dead server while they work and no call is open. gRPC's own minimum of
  // five minutes would have them disconnected.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             Millis(absl::Seconds(10)));
  // A second trackerd on a port must fail, and not silently take half of the calls.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
}

std::string ActualAddress(const std::string& listen, int port) {
  if (absl::StartsWith(listen, "unix:")) return listen;
  return absl::StrCat(listen.substr(0, listen.rfind(':') + 1), port);
}

}  // namespace

absl::StatusOr<std::unique_ptr<GrpcServer>> GrpcServer::Start(const Config& config,
                                                              service::Tracker* tracker,
                                                              Health* health) {
  grpc::EnableDefaultHealthCheckService(true);
  DescribeHealth();
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  std::unique_ptr<GrpcServer> server(new GrpcServer(tracker, health));
  grpc::ServerBuilder builder;
  Configure(config, builder);
  int port = 0;
  builder.AddListeningPort(config.listen, grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(server->service_.get());
  builder.RegisterService(server->admin_.get());
  server->server_ = builder.BuildAndStart();
  if (server->server_ == nullptr || port == 0) return ListenError(config.listen);
  server->address_ = ActualAddress(config.listen, port);
  health->Attach(server->server_->GetHealthCheckService());
  return server;
}

GrpcServer::GrpcServer(service::Tracker* tracker, Health* health)
    : service_(MakeTrackerService(tracker)), admin_(MakeAdminService(tracker)), health_(health) {}

GrpcServer::~GrpcServer() { Shutdown(absl::Now()); }

void GrpcServer::Drain(absl::FunctionRef<void()> finish, absl::Duration flush) {
  if (server_ == nullptr) return finish();
  base::Bell closed;
  std::thread closing([&] {
    server_->Shutdown(absl::ToChronoTime(absl::Now() + kForever));
    closed.Ring();
  });
  finish();
  // gRPC takes a deadline only at the beginning, when nobody knows how long `finish` takes.
  if (!closed.WaitFor(flush)) grpc_server_cancel_all_calls(server_->c_server());
  closing.join();
  Shutdown(absl::Now());
}

void GrpcServer::Shutdown(absl::Time deadline) {
  if (server_ == nullptr) return;
  server_->Shutdown(absl::ToChronoTime(deadline));
  health_->Detach();
  server_->Wait();
  server_.reset();
}

}  // namespace tracker::server
