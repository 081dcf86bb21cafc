#include "client/src/grpc_channels.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "client/src/addresses.h"
#include "client/src/random.h"
#include "client/src/status_details.h"

namespace tracker::internal {
namespace {

constexpr size_t kMaxTokenBytes = 8 * 1024;
// A server answers pings that come more often by closing the connection.
constexpr absl::Duration kShortestKeepalive = absl::Seconds(10);
constexpr absl::Duration kKeepaliveTimeout = absl::Seconds(10);

int Millis(absl::Duration duration) {
  return static_cast<int>(absl::ToInt64Milliseconds(std::min(duration, absl::Hours(24 * 20))));
}

absl::Status CheckCredentials(const ClientOptions& options) {
  if (options.tls && options.tls->certificate_chain.empty() != options.tls->private_key.empty()) {
    return InvalidArgument(
        "tls: certificate_chain and private_key belong together: give both or none");
  }
  if (options.token.size() > kMaxTokenBytes)
    return InvalidArgument(absl::StrCat("token: has more than ", kMaxTokenBytes, " bytes"));
  for (const char c : options.token) {
    if (!absl::ascii_isgraph(static_cast<unsigned char>(c)))
      return InvalidArgument("token: has a space, a line end or an odd character in it");
  }
  if (!options.token.empty() && !options.tls && !options.token_in_clear) {
    return InvalidArgument(
        "token: would be sent without TLS, for all on the way to read; set tls, or where the "
        "network is trusted token_in_clear");
  }
  return absl::OkStatus();
}

std::shared_ptr<grpc::ChannelCredentials> Credentials(const ClientOptions& options) {
  if (!options.tls) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions ssl;
  ssl.pem_root_certs = options.tls->ca_certificates;
  ssl.pem_cert_chain = options.tls->certificate_chain;
  ssl.pem_private_key = options.tls->private_key;
  return grpc::SslCredentials(ssl);
}

grpc::ChannelArguments Arguments(const ClientOptions& options) {
  grpc::ChannelArguments arguments;
  // gRPC waits up to two minutes before it tries to connect again, and 20 s for a connection: far
  // longer than a server takes to restart, or a lease to end.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 2000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  // A name may stand for several servers.
  arguments.SetLoadBalancingPolicyName("round_robin");
  if (options.keepalive < absl::InfiniteDuration()) {
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS,
                     Millis(std::max(options.keepalive, kShortestKeepalive)));
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Millis(kKeepaliveTimeout));
    // Also between two heartbeats, and without end: the server allows both.
    arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
    arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  }
  if (options.tls && !options.tls->server_name.empty())
    arguments.SetSslTargetNameOverride(options.tls->server_name);
  return arguments;
}

}  // namespace

gpr_timespec GrpcDeadline(absl::Duration timeout) {
  if (timeout >= absl::Hours(24 * 365)) return gpr_inf_future(GPR_CLOCK_MONOTONIC);
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                      gpr_time_from_nanos(absl::ToInt64Nanoseconds(timeout), GPR_TIMESPAN));
}

absl::StatusOr<std::unique_ptr<GrpcChannels>> GrpcChannels::Open(const std::string& addresses,
                                                                 const ClientOptions& options) {
  const auto targets = ParseAddresses(addresses);
  if (!targets.ok()) return targets.status();
  if (absl::Status status = CheckCredentials(options); !status.ok()) return status;
  auto channels = std::make_unique<GrpcChannels>();
  const auto credentials = Credentials(options);
  const grpc::ChannelArguments arguments = Arguments(options);
  for (const std::string& target : *targets) {
    auto channel = grpc::CreateCustomChannel(target, credentials, arguments);
    auto stub = v1::TrackerService::NewStub(channel);
    auto admin = v1::AdminService::NewStub(channel);
    channels->endpoints_.push_back({std::move(channel), std::move(stub), std::move(admin)});
  }
  if (!options.token.empty()) channels->authorization_ = absl::StrCat("Bearer ", options.token);
  // Not all clients of a fleet should begin with the same server.
  channels->turn_ = static_cast<size_t>(Uniform(0, static_cast<double>(targets->size())));
  return channels;
}

GrpcChannels::Endpoint& GrpcChannels::NextEndpoint() {
  const size_t count = endpoints_.size();
  if (count == 1) return endpoints_[0];
  const size_t first = turn_.fetch_add(1, std::memory_order_relaxed);
  for (size_t i = 0; i < count; ++i) {
    Endpoint& endpoint = endpoints_[(first + i) % count];
    if (endpoint.channel->GetState(/*try_to_connect=*/true) == GRPC_CHANNEL_READY) return endpoint;
  }
  return endpoints_[first % count];
}

// gRPC gets on with connecting only while some thread waits inside of it: after a plain sleep the
// connection would be as broken as before, for many seconds.
void GrpcChannels::Connect(absl::Duration duration) {
  const gpr_timespec end = GrpcDeadline(duration);
  grpc::Channel* waited = endpoints_[0].channel.get();
  for (const Endpoint& endpoint : endpoints_) {
    if (endpoint.channel->GetState(/*try_to_connect=*/true) != GRPC_CHANNEL_READY)
      waited = endpoint.channel.get();
  }
  grpc_connectivity_state state = waited->GetState(true);
  while (waited->WaitForStateChange(state, end)) state = waited->GetState(true);
}

}  // namespace tracker::internal
