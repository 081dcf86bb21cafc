// What a Client and its guards share: the transport, repeats, the locks that are kept. Lives as
// long as any of them. Thread-safe.
#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/src/clock.h"
#include "client/src/lock_keeper.h"
#include "client/src/transport.h"
#include "tracker/client.h"

namespace tracker::internal {

class ClientCore {
 public:
  // `clock` outlives the core. Without `heartbeat_thread` locks are kept only by keeper().RunOnce.
  ClientCore(std::shared_ptr<Transport> transport, ClientOptions options,
             Clock* clock = Clock::Real(), bool heartbeat_thread = true);
  ~ClientCore();
  ClientCore(const ClientCore&) = delete;
  ClientCore& operator=(const ClientCore&) = delete;

  const ClientOptions& options() const { return options_; }
  Clock& clock() { return *clock_; }
  LockKeeper& keeper() { return *keeper_; }

  // A write and what its answer is counted from.
  struct Written {
    v1::Task task;
    // When the attempt that was answered was sent.
    MonotonicTime sent;
  };
  // Repeats while Unavailable, within the deadline. Data that the answer left out is fetched.
  absl::StatusOr<Written> Write(const v1::Operation& operation, const std::stop_token& cancel = {});
  // A closing report of a guard: repeats while unanswered, until the lease is over or `limit` has
  // passed; asks once at least.
  absl::Status Report(const v1::Operation& operation, const HeldLock& held, absl::Duration limit);
  // The i-th result is the i-th operation's; each is repeated while Unavailable, for `limit`.
  std::vector<absl::StatusOr<v1::Task>> WriteAll(std::vector<v1::Operation> operations,
                                                 absl::Duration limit);
  // Gives tasks back whose holders will not: their locks count as lost, for this reason, and are
  // released on the server, which is tried for `limit`.
  void ReleaseAll(const std::vector<std::shared_ptr<HeldLock>>& held, const absl::Status& why,
                  absl::Duration limit);

  // Sends it once, and waits for no answer.
  void Send(v1::BatchRequest request);

  struct Claimed {
    v1::ClaimResponse response;
    // When the attempt that was answered was sent.
    MonotonicTime sent;
  };
  // Repeats while Unavailable. `wait`, for which the server may hold the call, comes on top of the
  // deadline.
  absl::StatusOr<Claimed> Claim(const v1::ClaimRequest& request, absl::Duration wait,
                                const std::stop_token& cancel);
  absl::StatusOr<v1::Task> Get(const std::string& name_space, const std::string& id);
  absl::StatusOr<v1::ListResponse> List(const v1::ListRequest& request);
  absl::StatusOr<v1::CountResponse> Count(const v1::CountRequest& request);

  // Fetches the data and errors of a task that came without them. False: could not be fetched.
  bool Complete(v1::Task* task);

 private:
  absl::StatusOr<v1::BatchResponse> Batch(v1::BatchRequest request, absl::Duration timeout);

  const std::shared_ptr<Transport> direct_;
  // Over direct_; the same where writes are not coalesced.
  const std::shared_ptr<Transport> transport_;
  const ClientOptions options_;
  Clock* const clock_;
  const std::shared_ptr<LockKeeper> keeper_;
};

}  // namespace tracker::internal
