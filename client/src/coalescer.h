// Lets the concurrent writes of a process travel together: what queued while the last request was
// on its way goes in one Batch. No timer; a write that finds nothing on its way is sent at once, by
// the RPC of its name and on the caller's thread, as it would be without this class.
//
// To its caller each write is as if it were alone: it has its own deadline, cancellation and error.
// A write that is given up before it was sent is never sent. A request that takes long holds up
// nobody: after kPatience what has queued behind it goes without waiting for it.
//
// Thread-safe. Requests on their way keep the object alive.
#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/src/batch.h"
#include "client/src/clock.h"
#include "client/src/transport.h"

namespace tracker::internal {

class Coalescer final : public Transport, public std::enable_shared_from_this<Coalescer> {
 public:
  // `clock` outlives it.
  Coalescer(std::shared_ptr<Transport> transport, Clock* clock);
  ~Coalescer() override;

  absl::StatusOr<v1::Task> Write(const v1::Operation& operation,
                                 const CallOptions& options) override;

  // All else goes straight on.
  void Batch(v1::BatchRequest request, const CallOptions& options, BatchCallback done) override;
  absl::StatusOr<v1::Task> Get(const v1::GetRequest& request, const CallOptions& options) override;
  absl::StatusOr<v1::ListResponse> List(const v1::ListRequest& request,
                                        const CallOptions& options) override;
  absl::StatusOr<v1::CountResponse> Count(const v1::CountRequest& request,
                                          const CallOptions& options) override;
  absl::StatusOr<v1::ClaimResponse> Claim(const v1::ClaimRequest& request,
                                          const CallOptions& options) override;
  void Pause(Clock& clock, absl::Duration duration) override;

  // Writes that wait to be sent.
  size_t queued() const;

  // So many requests on their way make the next write wait for company. Fewer: the server would
  // idle while an answer travels; more: company would be smaller. docs/performance.md has figures.
  static constexpr int kRequestsOnTheirWay = 2;
  // Long next to a round trip, short next to a lease.
  static constexpr absl::Duration kPatience = absl::Milliseconds(100);

 private:
  struct Call;
  struct Flight;
  using Lock = std::unique_lock<std::mutex>;

  absl::StatusOr<v1::Task> SendAlone(const v1::Operation& operation, const CallOptions& options);
  absl::StatusOr<v1::Task> Join(const v1::Operation& operation, const CallOptions& options,
                                Lock lock);
  // Until the call is answered or cancelled; false: not by then.
  bool WaitFor(Call& call, MonotonicTime until) const;
  void SendIfQueued(const Call& call);
  // Its caller waits no longer, and is told why.
  absl::Status Abandon(Call& call);
  // Sends what has queued as long as there is room on the way; `even_so`: one Batch at least.
  void SendQueued(Lock& lock, bool even_so);
  std::shared_ptr<Flight> TakeFlight();
  void Answered(const std::shared_ptr<Flight>& flight, absl::StatusOr<v1::BatchResponse> answer);

  const std::shared_ptr<Transport> transport_;
  Clock* const clock_;

  mutable std::mutex mutex_;
  std::deque<std::shared_ptr<Call>> queue_;  // guarded by mutex_
  int on_their_way_ = 0;                     // requests; guarded by mutex_
  // Operations in one Batch; fewer after an answer that had no room for all data. Guarded by
  // mutex_.
  size_t batch_limit_ = kBatchOperations;
};

}  // namespace tracker::internal
