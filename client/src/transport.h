// How requests reach a server: the one door of the client to the network, so that tests can answer,
// refuse and lose requests on command. One attempt each; repeats are retry.h's.
//
// Thread-safe. An error is an absl::Status made with MakeStatus, so that its details are kept.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/src/clock.h"
#include "client/wire/tracker.pb.h"

namespace tracker::internal {

struct CallOptions {
  // DeadlineExceeded after it.
  absl::Duration timeout;
  // Ends the call early with Cancelled.
  std::stop_token cancelled;
  // Where there is no connection, wait for one instead of answering Unavailable at once.
  bool wait_for_connection = false;
};

// Sleeps between two attempts. A transport may use the time to get its connection back.
class Pausing {
 public:
  virtual ~Pausing() = default;
  virtual void Pause(Clock& clock, absl::Duration duration) { clock.SleepFor(duration); }
};

class Transport : public Pausing {
 public:
  using BatchCallback = std::function<void(absl::StatusOr<v1::BatchResponse>)>;

  // One write, by the RPC of its name.
  virtual absl::StatusOr<v1::Task> Write(const v1::Operation& operation,
                                         const CallOptions& options) = 0;
  // Many writes. Does not block; `done` is called exactly once, on any thread.
  virtual void Batch(v1::BatchRequest request, const CallOptions& options, BatchCallback done) = 0;
  virtual absl::StatusOr<v1::Task> Get(const v1::GetRequest& request,
                                       const CallOptions& options) = 0;
  virtual absl::StatusOr<v1::ListResponse> List(const v1::ListRequest& request,
                                                const CallOptions& options) = 0;
  virtual absl::StatusOr<v1::CountResponse> Count(const v1::CountRequest& request,
                                                  const CallOptions& options) = 0;
  virtual absl::StatusOr<v1::ClaimResponse> Claim(const v1::ClaimRequest& request,
                                                  const CallOptions& options) = 0;
};

}  // namespace tracker::internal
