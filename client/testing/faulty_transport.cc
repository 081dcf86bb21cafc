#include "client/testing/faulty_transport.h"

#include <algorithm>
#include <utility>

namespace tracker::testing {
namespace {

using internal::CallOptions;

// Deadlines are on the clock that the test moves. A call that is under way has at least this much
// real time: neither a step of that clock nor a slow machine cuts it.
constexpr absl::Duration kLeastTimeout = absl::Seconds(10);

thread_local bool sending_heartbeats = false;

CallOptions WithRealTime(CallOptions options) {
  options.timeout = std::max(options.timeout, kLeastTimeout);
  return options;
}

absl::Status Killed() {
  return absl::FailedPreconditionError("the process of this client was killed by the test");
}

absl::Status AnswerLost() {
  return absl::UnavailableError("the answer was lost on its way by the test");
}

// Calls the server unless the call's fate is another one.
template <typename Call>
auto Meet(const Network::Fate& fate, const Call& call) -> decltype(call()) {
  if (!fate.refusal.ok()) return fate.refusal;
  auto answer = call();
  if (fate.answer_lost) return AnswerLost();
  return answer;
}

}  // namespace

FaultyTransport::Heartbeats::Heartbeats() { sending_heartbeats = true; }
FaultyTransport::Heartbeats::~Heartbeats() { sending_heartbeats = false; }

FaultyTransport::FaultyTransport(std::shared_ptr<internal::Transport> server,
                                 std::shared_ptr<Network> network,
                                 std::shared_ptr<MovedClock> clock)
    : server_(std::move(server)), network_(std::move(network)), clock_(std::move(clock)) {}

Network::Fate FaultyTransport::NextCall() {
  return killed_ ? Network::Fate{Killed()} : network_->NextCall();
}

absl::StatusOr<internal::v1::Task> FaultyTransport::Write(const internal::v1::Operation& operation,
                                                          const CallOptions& options) {
  return Meet(NextCall(), [&] { return server_->Write(operation, WithRealTime(options)); });
}

void FaultyTransport::Batch(internal::v1::BatchRequest request, const CallOptions& options,
                            BatchCallback done) {
  if (sending_heartbeats) return SendHeartbeats(std::move(request), options, std::move(done));
  const Network::Fate fate = NextCall();
  if (!fate.refusal.ok()) return done(fate.refusal);
  if (!fate.answer_lost)
    return server_->Batch(std::move(request), WithRealTime(options), std::move(done));
  server_->Batch(std::move(request), WithRealTime(options),
                 [done = std::move(done)](const absl::StatusOr<internal::v1::BatchResponse>&) {
                   done(AnswerLost());
                 });
}

void FaultyTransport::SendHeartbeats(internal::v1::BatchRequest request, const CallOptions& options,
                                     BatchCallback done) {
  absl::Status refusal = killed_ ? Killed() : network_->NextHeartbeat();
  if (!refusal.ok()) return done(std::move(refusal));
  server_->Batch(std::move(request), WithRealTime(options),
                 [network = network_,
                  done = std::move(done)](absl::StatusOr<internal::v1::BatchResponse> answer) {
                   done(std::move(answer));
                   network->HeartbeatAnswered();
                 });
}

absl::StatusOr<internal::v1::Task> FaultyTransport::Get(const internal::v1::GetRequest& request,
                                                        const CallOptions& options) {
  return Meet(NextCall(), [&] { return server_->Get(request, WithRealTime(options)); });
}

absl::StatusOr<internal::v1::ListResponse> FaultyTransport::List(
    const internal::v1::ListRequest& request, const CallOptions& options) {
  return Meet(NextCall(), [&] { return server_->List(request, WithRealTime(options)); });
}

absl::StatusOr<internal::v1::CountResponse> FaultyTransport::Count(
    const internal::v1::CountRequest& request, const CallOptions& options) {
  return Meet(NextCall(), [&] { return server_->Count(request, WithRealTime(options)); });
}

absl::StatusOr<internal::v1::ClaimResponse> FaultyTransport::Claim(
    const internal::v1::ClaimRequest& request, const CallOptions& options) {
  return Meet(NextCall(), [&] { return server_->Claim(request, WithRealTime(options)); });
}

}  // namespace tracker::testing
