// The way of one client of a fake to its server: what the network lets through goes on over the
// real transport. Thread-safe.
#pragma once

#include <atomic>
#include <memory>

#include "client/src/transport.h"
#include "client/testing/moved_clock.h"
#include "client/testing/network.h"

namespace tracker::testing {

class FaultyTransport final : public internal::Transport {
 public:
  // Keeps the clock, since all that counts by it keeps its transport.
  FaultyTransport(std::shared_ptr<internal::Transport> server, std::shared_ptr<Network> network,
                  std::shared_ptr<MovedClock> clock);

  // From now on nothing gets through.
  void Kill() { killed_ = true; }

  // While one lives, the Batches of this thread are heartbeats in the background.
  class Heartbeats {
   public:
    Heartbeats();
    ~Heartbeats();
    Heartbeats(const Heartbeats&) = delete;
    Heartbeats& operator=(const Heartbeats&) = delete;
  };

  absl::StatusOr<internal::v1::Task> Write(const internal::v1::Operation& operation,
                                           const internal::CallOptions& options) override;
  void Batch(internal::v1::BatchRequest request, const internal::CallOptions& options,
             BatchCallback done) override;
  absl::StatusOr<internal::v1::Task> Get(const internal::v1::GetRequest& request,
                                         const internal::CallOptions& options) override;
  absl::StatusOr<internal::v1::ListResponse> List(const internal::v1::ListRequest& request,
                                                  const internal::CallOptions& options) override;
  absl::StatusOr<internal::v1::CountResponse> Count(const internal::v1::CountRequest& request,
                                                    const internal::CallOptions& options) override;
  absl::StatusOr<internal::v1::ClaimResponse> Claim(const internal::v1::ClaimRequest& request,
                                                    const internal::CallOptions& options) override;
  // A pause is on the clock that the test moves, not on the real transport's.

 private:
  Network::Fate NextCall();
  void SendHeartbeats(internal::v1::BatchRequest request, const internal::CallOptions& options,
                      BatchCallback done);

  const std::shared_ptr<internal::Transport> server_;
  const std::shared_ptr<Network> network_;
  const std::shared_ptr<MovedClock> clock_;
  std::atomic<bool> killed_{false};
};

}  // namespace tracker::testing
